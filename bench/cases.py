"""What is built: three Dockerfiles with their contexts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.area import Area
from bench.bases import Base, Layer, big_layer, busybox_layer, debian_layer, push_base
from bench.data import Material, write_mixed, write_tree
from bench.registry import Registry
from bench.settings import Sizes

_RUNS = 10
_COPIED_MEAN = 6_000  # bytes a file
_SEED = 20_26


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`context` is a directory with a Dockerfile; `base` is None for scratch; `commands` is what its RUNs run."""

    name: str
    title: str
    context: Path
    base: Base | None
    commands: tuple[str, ...]
    copied: str


def small_runs(area: Area, registry: Registry, sizes: Sizes) -> Case:
    base = push_base("base-small", (_system(area, sizes),), area=area, registry=registry)
    commands = tuple(f"touch /x{number}" for number in range(1, _RUNS + 1))
    lines = [f"FROM {base.reference}", *(f"RUN {command}" for command in commands)]
    system = "busybox" if sizes.tiny else "Debian"
    context = _context(area, "a", lines)
    return Case(name="a", title=f"{_RUNS} × `RUN touch` on {system}", context=context, base=base, commands=commands, copied="")


def big_base(area: Area, registry: Registry, sizes: Sizes) -> Case:
    material = Material.make(_SEED)
    big = big_layer(area, material, files=sizes.base_files, total=sizes.base_bytes)
    base = push_base("base-big", (_system(area, sizes), big), area=area, registry=registry)
    lines = [f"FROM {base.reference}", "WORKDIR /app", "COPY src /app/src/", "RUN touch /app/done"]
    context = _context(area, "b", lines)
    write_tree(context / "src", material, files=sizes.copied_files, total=sizes.copied_files * _COPIED_MEAN)
    title = f"base of {sizes.base_files:,} files, WORKDIR, COPY of {sizes.copied_files:,} files, RUN"
    return Case(name="b", title=title, context=context, base=base, commands=("touch /app/done",), copied="src")


def big_copy(area: Area, _registry: Registry, sizes: Sizes) -> Case:
    context = _context(area, "c", ["FROM scratch", "COPY data /data/"])
    write_mixed(context / "data", Material.make(_SEED), total=sizes.data_bytes)
    title = f"scratch, COPY of {sizes.data_bytes / 1e6:,.0f} MB"
    return Case(name="c", title=title, context=context, base=None, commands=(), copied="data")


CASES: Mapping[str, Callable[[Area, Registry, Sizes], Case]] = {"a": small_runs, "b": big_base, "c": big_copy}


def _system(area: Area, sizes: Sizes) -> Layer:
    return busybox_layer(area) if sizes.tiny else debian_layer(area)


def _context(area: Area, name: str, lines: list[str]) -> Path:
    directory = area.fresh(f"context-{name}")
    (directory / "Dockerfile").write_text("".join(f"{line}\n" for line in lines))
    return directory
