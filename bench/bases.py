"""The base images: made here, put into the registry, and kept as files for the floor."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache

from bench import systems
from bench.archives import Layer, write_noise, write_tree_below, written
from bench.area import Area
from bench.data import Material
from bench.registry import Registry
from bench.settings import Sizes

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An image in the registry under `reference`, lowest layer first."""

    reference: str
    layers: tuple[Layer, ...]


class Bases:
    """Each is made when it is asked for the first time. All are busybox with `sizes.tiny`."""

    def __init__(self, area: Area, registry: Registry, sizes: Sizes) -> None:
        self._area = area
        self._registry = registry
        self._sizes = sizes
        self.debian = cache(self._debian)
        self.dev = cache(self._dev)
        self.big = cache(self._big)

    def _debian(self) -> Base:
        """A minimal Debian."""
        return self._pushed("debian", self._system("debian").layer)

    def _dev(self) -> Base:
        """The same with a C compiler and packages to install."""
        return self._pushed("dev", self._system("dev").layer)

    def _big(self) -> Base:
        """`dev` and a layer of many files: as many files and bytes as `sizes` says, both together."""
        below = self._system("dev")
        files, total = max(1, self._sizes.base_files - below.files), max(1, self._sizes.base_bytes - below.size)
        material = Material.make(self._sizes.seed)
        layer = written(
            self._area.path / "big.tar.gz",
            lambda stream: write_tree_below("srv/tree", material, files=files, total=total, stream=stream),
        )
        return self._pushed("big", below.layer, layer)

    def _system(self, name: str) -> systems.System:
        return systems.busybox(self._area) if self._sizes.tiny else systems.debian(name)

    def _pushed(self, name: str, *layers: Layer) -> Base:
        return push_base(f"base-{name}", layers, area=self._area, registry=self._registry)


def push_base(name: str, layers: tuple[Layer, ...], *, area: Area, registry: Registry) -> Base:
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": {"Env": [_PATH], "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": "2024-01-01T00:00:00Z", "created_by": f"base layer {number}"} for number in range(len(layers))],
    }
    path = area.path / f"{name}.json"
    path.write_text(json.dumps(config))
    registry.put_image(name, "1", config=path, layers=[layer.path for layer in layers])
    return Base(reference=f"{registry.address}/{name}:1", layers=layers)


def noise_layer(area: Area, name: str, size: int) -> Layer:
    """One file of `size` bytes that don't compress."""
    return written(area.path / f"{name}.tar.gz", lambda stream: write_noise(name, size, stream))
