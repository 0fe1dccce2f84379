"""One layer of all that several ops change gives the same files as a layer for each."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from builder.image.layer import Layer
from builder.image.media import OCI_LAYER
from builder.rootfs import Changes, Rootfs
from builder.rootfs.combined import Combined
from builder.rootfs.overlay import OverlayRootfs
from builder.rootfs.plain import PlainRootfs
from builder.sandbox import overlayfs
from tests.builder.rootfs.random_scripts import BEGIN, random_script
from tests.support.overlays import require_overlays, with_own_mounts
from tests.support.tree import tree_dump


def run(rootfs: Rootfs, script: str) -> Changes:
    rootfs.snapshot()
    subprocess.run(["sh", "-c", script], cwd=rootfs.path, capture_output=True, check=False, timeout=60)
    return rootfs.diff()


def built(rootfs: Rootfs, scripts: Sequence[str], to: Path) -> tuple[Layer, Layer]:
    """The layer of the first script, and one of all the others together."""
    base = rootfs.pack(run(rootfs, scripts[0]), to=to, media_type=OCI_LAYER)
    combined = Combined(rootfs.path, rootfs.remember())
    for script in scripts[1:]:
        combined.add(run(rootfs, script))
    return base, rootfs.pack(combined.changes(), to=to, media_type=OCI_LAYER)


def names(layer: Layer) -> list[str]:
    with layer.blob.open() as stream, tarfile.open(fileobj=stream) as archive:
        return [name for name in archive.getnames() if name != "."]


def unpacked(path: Path, *layers: Layer) -> Path:
    rootfs = PlainRootfs(path)
    for layer in layers:
        with layer.blob.open() as stream:
            rootfs.unpack(stream, diff_id=layer.diff_id)
    return path


def check(rootfs: Rootfs, seed: int, directory: Path) -> None:
    random = Random(seed)
    base, rest = built(rootfs, [BEGIN, *(random_script(random) for _ in range(5))], directory)
    assert tree_dump(unpacked(directory / "copy", base, rest), times=True) == tree_dump(rootfs.path, times=True)
    before = unpacked(directory / "before", base)
    for name in names(rest):
        parent, _, last = name.rpartition("/")
        if last.startswith(".wh."):
            hidden = parent if last == ".wh..wh..opq" else f"{parent}/{last.removeprefix('.wh.')}"
            assert os.path.lexists(before / hidden.lstrip("/")), f"{name} deletes what the base doesn't have"


@pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: only root may chown and mknod")
@pytest.mark.parametrize("seed", range(30))
def test_random_scripts_in_a_plain_directory(seed: int, tmp_path: Path) -> None:
    check(PlainRootfs(tmp_path / "rootfs"), seed, tmp_path)


@pytest.mark.parametrize("seed", range(30))
@with_own_mounts
def test_random_scripts_on_an_overlay(seed: int, tmp_path: Path) -> None:
    require_overlays(tmp_path)
    rootfs = OverlayRootfs(tmp_path / "overlay", overlayfs)
    try:
        check(rootfs, seed, tmp_path)
    finally:
        rootfs.close()


@pytest.mark.parametrize(
    ("scripts", "expected"),
    [
        (["echo > new", "rm new"], []),
        (["rm -r d", "mkdir d; echo > d/new"], ["d", "d/.wh..wh..opq", "d/new"]),
        (["rm -r d", "echo > d"], ["d"]),
        (["rm -r d; echo > d", "rm d; mkdir d"], ["d", "d/.wh..wh..opq"]),
        (["rm -r d; echo > d", "rm d"], [".wh.d"]),
        (["rm d/a", "rm -r d"], [".wh.d"]),
        (["rm d/a", "echo > d/a"], ["d", "d/a"]),
        (["rm d/a", "mkdir n; echo > n/x", "rm -r n/x"], ["d", "d/.wh.a", "n"]),
        (["rm -r d; ln -s e d", "echo > e/x"], ["d", "e", "e/x"]),
        (["mkdir -p n/m; echo > n/m/x", "mv n o"], ["o", "o/m", "o/m/x"]),
    ],
)
def test_what_is_gone_again_leaves_no_trace(scripts: list[str], expected: list[str], tmp_path: Path) -> None:
    rootfs = PlainRootfs(tmp_path / "rootfs")
    _, layer = built(rootfs, ["mkdir -p d/s e; echo > d/a; echo > d/s/b", *scripts], tmp_path)
    assert names(layer) == expected


def test_what_a_socket_replaces_is_deleted(tmp_path: Path) -> None:
    bind = f"{sys.executable} -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"d/s\")'"
    _, rest = built(
        PlainRootfs(tmp_path / "rootfs"), ["mkdir -p d/s; touch d/s/x", f"rm -r d/s; {bind}", "touch d/new"], tmp_path
    )
    assert names(rest) == ["d", "d/.wh.s", "d/new"]
