"""What is built: Dockerfiles with their contexts, by name in the order of the report."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.archives import write_tree_below, written
from bench.area import Area
from bench.bases import Bases
from bench.data import Material, write_mixed, write_program, write_tree
from bench.recipe import Copy, Run, Stage, dockerfile
from bench.settings import Sizes
from bench.systems import PACKAGES

_RUNS = 10
_COPIED_MEAN = 6_000  # bytes a file
_MODULES_MEAN = 5_000
_CHANGED = "changed.txt"  # in a context, if a second build is what counts


class Reuse(enum.Enum):
    """What a build may take from one before it that isn't measured."""

    NOTHING = "an empty machine"
    MACHINE = "a machine that has kept everything"
    REGISTRY = "an empty machine, and a cache of everything in the registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`context` is a directory with the stages' Dockerfile; `mark`: the most that masu's wall time may be of docker's."""

    name: str
    title: str
    mark: float
    context: Path
    stages: tuple[Stage, ...]
    reuse: Reuse = Reuse.NOTHING

    @property
    def last(self) -> Stage:
        return self.stages[-1]

    def change(self, text: str) -> None:
        """Make the next build differ in its last layer, where a second build is what counts."""
        if self.reuse is Reuse.MACHINE:
            (self.context / "src" / _CHANGED).write_text(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What cases are made from."""

    area: Area
    bases: Bases
    sizes: Sizes

    def context(self, name: str, stages: tuple[Stage, ...]) -> Path:
        directory = self.area.fresh(f"context-{name}")
        (directory / "Dockerfile").write_text(dockerfile(stages))
        return directory

    @property
    def system(self) -> str:
        return "busybox" if self.sizes.tiny else "Debian"


def one_file(shop: Workshop) -> Case:
    stages = (Stage(base=None, steps=(Copy(source="file", target="/file"),)),)
    context = shop.context("one-file", stages)
    (context / "file").write_text("a small file\n")
    return Case(name="one-file", title="scratch, COPY of one small file", mark=1.0, context=context, stages=stages)


def ten_runs(shop: Workshop) -> Case:
    steps = tuple(Run(command=f"touch /x{number}") for number in range(1, _RUNS + 1))
    stages = (Stage(base=shop.bases.debian(), steps=steps),)
    title = f"{_RUNS} × `RUN touch` on {shop.system}"
    return Case(name="ten-runs", title=title, mark=0.4, context=shop.context("ten-runs", stages), stages=stages)


def big_base(shop: Workshop) -> Case:
    sizes = shop.sizes
    stages = (Stage(base=shop.bases.big(), steps=(Copy(source="src", target="/app/src/"), _installation(sizes))),)
    context = shop.context("big-base", stages)
    _write_sources(context, sizes)
    base = f"base of {sizes.base_files:,} files, {sizes.base_bytes / 1e6:,.0f} MB"
    title = f"{base}; COPY of {sizes.copied_files:,} files; RUN {'touch' if sizes.tiny else 'apt-get install'}"
    return Case(name="big-base", title=title, mark=0.4, context=context, stages=stages)


def multi_stage(shop: Workshop) -> Case:
    compilation = "cat /src/*.c > /program" if shop.sizes.tiny else "gcc -O2 -o /program /src/*.c"
    first = Stage(base=shop.bases.big(), steps=(Copy(source="src", target="/src/"), Run(command=compilation)))
    last = Stage(base=shop.bases.debian(), steps=(Copy(source="/program", target="/usr/bin/program", stage=0),))
    context = shop.context("multi-stage", (first, last))
    write_program(context / "src")
    title = f"multi-stage: C compiled in that base, one file copied to {shop.system}"
    return Case(name="multi-stage", title=title, mark=0.4, context=context, stages=(first, last))


def much_data(shop: Workshop) -> Case:
    stages = (Stage(base=None, steps=(Copy(source="data", target="/data/"),)),)
    context = shop.context("much-data", stages)
    write_mixed(context / "data", Material.make(shop.sizes.seed), total=shop.sizes.data_bytes)
    title = f"scratch, COPY of {shop.sizes.data_bytes / 1e6:,.0f} MB, half text, half noise"
    return Case(name="much-data", title=title, mark=0.35, context=context, stages=stages)


def node_modules(shop: Workshop) -> Case:
    """`npm ci` without a network: what it would have downloaded lies in the context as one archive."""
    files = shop.sizes.modules
    install = Run(command="cd /app && tar -xzf modules.tar.gz && rm modules.tar.gz")
    copies = (Copy(source="package.json", target="/app/"), Copy(source="modules.tar.gz", target="/app/"))
    first = Stage(base=shop.bases.debian(), steps=(*copies, install))
    modules = Copy(source="/app/node_modules", target="/app/node_modules/", stage=0)
    last = Stage(base=shop.bases.debian(), steps=(modules, Copy(source="package.json", target="/app/")))
    context = shop.context("node-modules", (first, last))
    (context / "package.json").write_text('{"name": "app"}\n')
    material, total = Material.make(shop.sizes.seed), files * _MODULES_MEAN
    written(
        context / "modules.tar.gz",
        lambda stream: write_tree_below("node_modules", material, files=files, total=total, stream=stream),
    )
    title = f"node_modules: {files:,} files, {total / 1e6:,.0f} MB, unpacked by a RUN, copied to a second stage"
    return Case(name="node-modules", title=title, mark=0.5, context=context, stages=(first, last))


def warm(shop: Workshop) -> Case:
    return _application(shop, "warm", "second build on the same machine, one file of the last COPY changed", Reuse.MACHINE)


def cached(shop: Workshop) -> Case:
    return _application(shop, "cached", "everything in the registry's cache, the machine fresh", Reuse.REGISTRY)


CASES: Mapping[str, Callable[[Workshop], Case]] = {
    "one-file": one_file,
    "ten-runs": ten_runs,
    "big-base": big_base,
    "multi-stage": multi_stage,
    "much-data": much_data,
    "node-modules": node_modules,
    "warm": warm,
    "cached": cached,
}


def _application(shop: Workshop, name: str, title: str, reuse: Reuse) -> Case:
    """As applications are built: packages first, the sources last."""
    copies = (Copy(source="package.json", target="/app/"), Copy(source="src", target="/app/src/"))
    prepared = Run(command="mkdir -p /app/data && touch /app/data/ready")
    stages = (Stage(base=shop.bases.dev(), steps=(_installation(shop.sizes), copies[0], prepared, copies[1])),)
    context = shop.context(name, stages)
    (context / "package.json").write_text('{"name": "app"}\n')
    _write_sources(context, shop.sizes)
    (context / "src" / _CHANGED).write_text("first\n")
    files = f"{shop.sizes.copied_files:,}"
    title = f"{title} ({shop.system}, two RUNs, COPY of {files} files)"
    return Case(name=name, title=title, mark=0.8, context=context, stages=stages, reuse=reuse)


def _installation(sizes: Sizes) -> Run:
    """A package and what it needs, from files in the base: no network, the same for everyone."""
    if sizes.tiny:
        return Run(command="touch /installed")
    options = "-y --no-install-recommends"
    return Run(command=f"apt-get install {options} {PACKAGES}/*.deb", makes=("/usr/bin/curl", "/var/lib/dpkg"))


def _write_sources(context: Path, sizes: Sizes) -> None:
    material = Material.make(sizes.seed)
    write_tree(context / "src", material, files=sizes.copied_files, total=sizes.copied_files * _COPIED_MEAN)
