"""`python -m bench.growth`: masu's time and memory against the number of files, layers, stages and the size of the context."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import correlation, linear_regression, median

from bench.area import Area, opened_area
from bench.bases import Bases
from bench.cases import Case, Workshop
from bench.console import exit_code, say
from bench.contestants import masu
from bench.contestants.contestant import Contestant
from bench.data import Material, write_mixed, write_tree
from bench.errors import BenchError
from bench.loopback import own_network
from bench.measure import Measurement
from bench.plot import Curve, draw_curves
from bench.recipe import Copy, Run, Stage
from bench.registry import Registry, served_registry
from bench.report import DOCUMENT, spread, write_between_markers
from bench.settings import SMALL
from builder import __version__

_PICTURE = DOCUMENT.with_name("growth.svg")
_MEAN = 1_000  # bytes a file
_MEMORY = 150  # MB; what no build is to need
_HEAD = ("| what grows | how many | wall, s | by the line, s | peak memory, MB |", "|---|---|---|---|---|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """`sizes` are given in `unit`; `small` ones try it out."""

    unit: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    make: Callable[[Workshop, int], Case]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The builds of one size."""

    size: int
    builds: tuple[Measurement, ...]

    @property
    def wall(self) -> float:
        return median(build.wall for build in self.builds)

    @property
    def peak(self) -> float:
        """MB; the highest of all."""
        return max(build.peak for build in self.builds) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Seconds at zero, seconds a unit, and r² of the points."""

    start: float
    slope: float
    fit: float

    def at(self, size: float) -> float:
        return self.start + self.slope * size


def files(shop: Workshop, count: int) -> Case:
    """Copied onto a base and looked at by a RUN, so that they are in a layer and in a root filesystem."""
    case = _case(shop, Stage(base=shop.bases.debian(), steps=(Copy(source="src", target="/src/"), Run(command="true"))))
    write_tree(case.context / "src", Material.make(shop.sizes.seed), files=count, total=count * _MEAN)
    return case


def layers(shop: Workshop, count: int) -> Case:
    steps = tuple(Run(command=f"touch /x{number}") for number in range(count))
    return _case(shop, Stage(base=shop.bases.debian(), steps=steps))


def stages(shop: Workshop, count: int) -> Case:
    """All but the last make a file that the last one copies."""
    base = shop.bases.debian()
    below = [Stage(base=base, steps=(Run(command=f"touch /x{number}"),)) for number in range(count - 1)]
    copies = [Copy(source=f"/x{number}", target=f"/x{number}", stage=number) for number in range(count - 1)]
    return _case(shop, *below, Stage(base=base, steps=(*copies, Run(command="touch /last"))))


def megabytes(shop: Workshop, count: int) -> Case:
    case = _case(shop, Stage(base=None, steps=(Copy(source="data", target="/data/"),)))
    write_mixed(case.context / "data", Material.make(shop.sizes.seed), total=count * 10**6)
    return case


DIMENSIONS: Mapping[str, Dimension] = {
    "files": Dimension(unit="files", sizes=(1_000, 10_000, 50_000, 100_000), small=(50, 100, 400), make=files),
    "layers": Dimension(unit="layers", sizes=(10, 50, 100, 120), small=(1, 2, 4), make=layers),
    "stages": Dimension(unit="stages", sizes=(1, 10, 25, 50), small=(1, 2, 4), make=stages),
    "context": Dimension(unit="MB", sizes=(10, 100, 1_000, 2_000, 4_000), small=(1, 2, 4), make=megabytes),
}


def main(argv: Sequence[str]) -> int:
    """Exit code: 0, 1 when something failed, 130 after ^C."""
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description="masu's time and memory as the work grows")
    parser.add_argument("-n", "--runs", type=int, default=3, help="builds of each size (default %(default)s)")
    parser.add_argument("--small", action="store_true", help="tiny sizes: does it work at all?")
    parser.add_argument("--dimension", action="append", choices=tuple(DIMENSIONS), help="only this one (repeatable)")
    parser.add_argument("--write", action="store_true", help="write the report into docs/performance.md and draw docs/growth.svg")
    arguments = parser.parse_args(argv)
    if arguments.small and arguments.write:
        parser.error("--small shows whether it works; its figures are not for the document")
    chosen = {name: DIMENSIONS[name] for name in arguments.dimension or DIMENSIONS}

    def work() -> None:
        found, place = _measured(chosen, arguments.runs, is_small=arguments.small)
        text = "\n".join(report(found, arguments.runs, place)) + "\n"
        print(text, end="")
        if arguments.write:
            write_between_markers(DOCUMENT, text, marker="growth")
            draw_curves(_PICTURE, curves(found))

    return exit_code(work)


def line_through(points: Sequence[Point]) -> Line:
    """Least squares; raises BenchError for less than two sizes."""
    if len(points) < 2:
        raise BenchError("a line needs two sizes")
    sizes, walls = [point.size for point in points], [point.wall for point in points]
    slope, start = linear_regression(sizes, walls)
    fit = correlation(sizes, walls) ** 2 if len(set(walls)) > 1 else 1.0
    return Line(start=start, slope=slope, fit=fit)


def report(found: Mapping[str, Sequence[Point]], runs: int, place: str) -> Iterator[str]:
    yield f"masu {__version__}; {runs} cold builds of each size, in turns; median (least–most) of the times, highest peak."
    yield place
    yield from ("", *_HEAD)
    for name, points in found.items():
        line = line_through(points)
        for point in points:
            wall = spread([build.wall for build in point.builds])
            unit = DIMENSIONS[name].unit
            yield f"| {name} | {point.size:,} {unit} | {wall} | {line.at(point.size):.2f} | {point.peak:.0f} |"
    yield ""
    for name, points in found.items():
        line = line_through(points)
        times = f"{line.start:.2f} s and {line.slope * 1000:.3g} s for 1,000 {DIMENSIONS[name].unit}"
        yield f"- {name}: {times}, r² {line.fit:.3f}; memory {_change(points)}"


def curves(found: Mapping[str, Sequence[Point]]) -> tuple[list[Curve], list[Curve]]:
    """A row of times and one of memory."""
    walls, peaks = [], []
    for name, points in found.items():
        line, unit = line_through(points), DIMENSIONS[name].unit
        ends = [(point.size, line.at(point.size)) for point in (points[0], points[-1])]
        title = f"{name}: wall, s"
        walls.append(Curve(title=title, unit=unit, points=[(point.size, point.wall) for point in points], line=ends))
        peak = [(point.size, point.peak) for point in points]
        peaks.append(Curve(title=f"{name}: peak, MB", unit=unit, points=peak, top=max(_MEMORY, *(y * 1.1 for _, y in peak))))
    return walls, peaks


def _change(points: Sequence[Point]) -> str:
    return f"{points[0].peak:.0f} MB at the smallest size, {points[-1].peak:.0f} MB at the largest"


def _measured(chosen: Mapping[str, Dimension], runs: int, *, is_small: bool) -> tuple[dict[str, list[Point]], str]:
    with (
        opened_area() as area,
        own_network(),
        served_registry(area.fresh("registry")) as registry,
        masu.opened(area) as contestant,
    ):
        shop = Workshop(area=area, bases=Bases(area, registry, SMALL), sizes=SMALL)
        found = {}
        for name, dimension in chosen.items():
            sizes = dimension.small if is_small else dimension.sizes
            found[name] = list(_points(name, dimension, sizes, runs, shop, registry, contestant))
        return found, area.place


def _points(
    name: str, dimension: Dimension, sizes: Sequence[int], runs: int, shop: Workshop, registry: Registry, contestant: Contestant
) -> Iterator[Point]:
    for size in sizes:
        case = dimension.make(shop, size)
        target = f"{registry.address}/{name}-{size}"
        builds = tuple(_build(case, f"{target}-{run}:1", shop.area, contestant) for run in range(runs))
        shutil.rmtree(case.context)
        point = Point(size=size, builds=builds)
        say(f"{size:,} {dimension.unit}: {point.wall:.2f} s, {point.peak:.0f} MB")
        yield point


def _build(case: Case, target: str, area: Area, contestant: Contestant) -> Measurement:
    with contestant.machine(case):
        area.settle()
        return contestant.build(case, target)


def _case(shop: Workshop, *stages: Stage) -> Case:
    return Case(name="growth", title="", mark=0, context=shop.context("growth", stages), stages=stages)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
