"""`python -m bench.transfers`: pulling and pushing, masu beside skopeo, with the same registry and disk, taking turns."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.archives import Layer
from bench.area import Area, opened_area
from bench.bases import noise_layer, push_base
from bench.console import exit_code, say
from bench.contestants.masu import PROGRAM, build_env
from bench.contestants.peers import System, answer, find_system
from bench.errors import BenchError, Unavailable
from bench.measure import Measurement, Watch, measure
from bench.registry import Registry, served_registry
from bench.report import DOCUMENT, spread, write_between_markers
from builder import __version__

_MARKER = "transfers"
_COPIES = 7  # of an image that are there at the same time: the layers' files, the registry's twice, and who pulls and pushes
_HEAD = ("| what | layers | masu, MB/s | skopeo, MB/s | masu ÷ skopeo, speed | masu ÷ skopeo, CPU |", "|---|---|---|---|---|---|")
# skopeo remembers which repository has which blob, to mount it: hidden, so that each push is a first one.
_FORGETFUL = 'mkdir -p /var/lib/containers && mount -t tmpfs tmpfs /var/lib/containers && exec skopeo "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`layers` of together `size` bytes, in the registry under `reference`."""

    reference: str
    layers: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One transfer by each, one after the other."""

    masu: Measurement
    skopeo: Measurement


Results = Mapping[tuple[str, Image], Sequence[Round]]


def main(argv: Sequence[str]) -> int:
    """Exit code: 0, 1 when something failed, 130 after ^C."""
    parser = argparse.ArgumentParser(prog="python -m bench.transfers", description="time masu beside skopeo")
    parser.add_argument("-n", "--rounds", type=int, default=5, help="transfers of each kind and image (default %(default)s)")
    parser.add_argument("--megabytes", type=int, default=1000, metavar="N", help="size of an image (default %(default)s)")
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 10, 100], metavar="N", help="(default %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the report into docs/performance.md")
    arguments = parser.parse_args(argv)

    def work() -> None:
        text = "\n".join(_compare(arguments.rounds, arguments.megabytes * 10**6, arguments.layers)) + "\n"
        print(text, end="")
        if arguments.write:
            write_between_markers(DOCUMENT, text, marker=_MARKER)

    return exit_code(work)


def _compare(rounds: int, size: int, counts: Sequence[int]) -> Iterator[str]:
    try:
        system = find_system("skopeo")
    except Unavailable as error:
        raise BenchError(f"it needs skopeo: {error}") from error
    results: dict[tuple[str, Image], list[Round]] = {}
    with opened_area(in_memory=_COPIES * size) as area:
        for count in counts:
            say(f"preparing {count} layers")
            with served_registry(area.fresh("registry")) as registry:
                image = _prepared(area, registry, count=count, size=size)
                race = _Race(area, registry, image, system)
                for number in range(rounds):
                    for kind, turns in (("pull", race.pulls()), ("push", race.pushes(number))):
                        found = _round(area, turns, first=number % 2)
                        results.setdefault((kind, image), []).append(found)
                        say(f"{kind}, {count} layers: masu {found.masu.wall:.2f} s, skopeo {found.skopeo.wall:.2f} s")
        yield from _report(results, area, rounds, skopeo=answer(*system.prefix, "skopeo", "--version").replace(" version", ""))


def _prepared(area: Area, registry: Registry, *, count: int, size: int) -> Image:
    layers: tuple[Layer, ...] = tuple(noise_layer(area, f"noise-{count}-{n}", size // count) for n in range(count))
    base = push_base(f"layers-{count}", layers, area=area, registry=registry)
    total = sum(layer.path.stat().st_size for layer in layers)
    for layer in layers:
        layer.path.unlink()
    return Image(reference=base.reference, layers=count, size=total)


Turn = Callable[[], Measurement]


def _round(area: Area, turns: Mapping[str, Turn], *, first: int) -> Round:
    """Each begins in every other round, for the page cache's sake."""
    found = {}
    for name in list(turns)[first:] + list(turns)[:first]:
        area.settle()
        found[name] = turns[name]()
    return Round(masu=found["masu"], skopeo=found["skopeo"])


class _Race:
    """The transfers of one image. What was pulled last is pushed."""

    def __init__(self, area: Area, registry: Registry, image: Image, system: System) -> None:
        self._system = system
        self._area = area
        self._registry = registry
        self._image = image

    def pulls(self) -> dict[str, Turn]:
        return {"masu": self._masu_pulls, "skopeo": self._skopeo_pulls}

    def pushes(self, number: int) -> dict[str, Turn]:
        """Into repositories that are not there yet."""
        name = f"{self._registry.address}/pushed/{self._image.layers}-{number}"
        return {"masu": lambda: self._masu_pushes(f"{name}-masu:1"), "skopeo": lambda: self._skopeo_pushes(f"{name}-skopeo:1")}

    def _masu_pulls(self) -> Measurement:
        self._area.fresh("masu")
        return self._masu("pull", self._image.reference)

    def _masu_pushes(self, target: str) -> Measurement:
        _masu_tags(self._argv("tag", self._image.reference, target), self._env())
        return self._masu("push", target)

    def _masu(self, *arguments: str) -> Measurement:
        watch = Watch(programs=("python", "masu"))
        return measure(self._argv(*arguments), env=self._env(), log=self._area.path / "masu.log", watch=watch)

    def _argv(self, verb: str, *arguments: str) -> list[str]:
        return [*PROGRAM, verb, *arguments, "--state-dir", str(self._area.path / "masu")]

    def _env(self) -> dict[str, str]:
        return build_env(self._area.path)

    def _skopeo_pulls(self) -> Measurement:
        self._area.fresh("skopeo")
        return self._skopeo("--src-tls-verify=false", f"docker://{self._image.reference}", self._layout)

    def _skopeo_pushes(self, target: str) -> Measurement:
        return self._skopeo("--dest-tls-verify=false", self._layout, f"docker://{target}")

    @property
    def _layout(self) -> str:
        return f"oci:{self._system.path(self._area.path)}/skopeo:1"

    def _skopeo(self, *arguments: str) -> Measurement:
        copy = ["skopeo", "--insecure-policy", "copy", "--quiet", *arguments]
        argv = [*self._system.prefix, "bash", "-c", _FORGETFUL, *copy]
        return measure(argv, env=self._env(), log=self._area.path / "skopeo.log", watch=Watch(programs=("skopeo",)))


def _masu_tags(argv: Sequence[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(argv, env=dict(env), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"masu tag failed: {done.stderr[-500:]}")


def _report(results: Results, area: Area, rounds: int, *, skopeo: str) -> Iterator[str]:
    yield f"masu {__version__}, {skopeo}; {rounds} rounds, taking turns; median (least–most) of the ratios of a round."
    yield area.place
    yield from ("", *_HEAD)
    for (kind, image), found in sorted(results.items(), key=lambda item: (item[0][0], item[0][1].layers)):
        speeds = [f"{image.size / 1e6 / median(walls):.0f}" for walls in _walls(found)]
        wall = [each.skopeo.wall / each.masu.wall for each in found]
        cpu = [each.masu.cpu / each.skopeo.cpu for each in found]
        yield f"| {kind} | {image.layers} | {' | '.join(speeds)} | {spread(wall)} | {spread(cpu)} |"


def _walls(found: Sequence[Round]) -> tuple[list[float], list[float]]:
    return [each.masu.wall for each in found], [each.skopeo.wall for each in found]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
