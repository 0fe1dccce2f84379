"""The figures as Markdown, and their place in docs/performance.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.errors import BenchError
from bench.marks import Verdict, ratios, verdicts
from bench.plot import draw_bars
from bench.results import FLOOR, OWN, Comparison, Result, write_whole

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
_HEAD = (
    "| builder | wall, s | CPU, s | peak memory, MB | new layers | moved, MB | masu ÷ it, wall | container ÷ it, wall |",
    "|---|---|---|---|---|---|---|---|",
)


def render(comparisons: Sequence[Comparison]) -> str:
    sections = (line for comparison in comparisons for line in _section(comparison))
    return "\n".join([*_marks(comparisons), *sections]) + "\n"


def draw(comparisons: Sequence[Comparison], path: Path) -> None:
    """Everybody's wall time by docker's; raises BenchError where docker is missing."""
    bars = {item.case: _by_docker(item.results) for item in comparisons if "docker" in item.results}
    if not bars:
        raise BenchError("there is nothing to draw: no case has figures of docker's")
    marks = {item.case: item.mark for item in comparisons}
    draw_bars(path, bars, marks=marks, label="wall time by docker's, median of the rounds; black: masu's mark")


def _by_docker(results: Mapping[str, Sequence[Result]]) -> dict[str, float]:
    docker = results["docker"]
    return {name: median(found) for name, each in results.items() if name != "docker" and (found := ratios(each, docker))}


def write_between_markers(path: Path, text: str, *, marker: str = "bench") -> None:
    """Replace what lies between the markers of this name in `path`."""
    first, last = f"<!-- {marker}: begin -->", f"<!-- {marker}: end -->"
    old = path.read_text(encoding="utf-8")
    before, begin, rest = old.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise BenchError(f"{path.name} has no lines {first!r} and {last!r} to write between")
    write_whole(path, f"{before}{first}\n{text}{last}{after}")


def spread(values: Sequence[float]) -> str:
    """Median and extremes."""
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})" if values else ""


def _marks(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A row for each case, a column for each comparison; empty without anybody to compare with."""
    found = {item.case: dict(verdicts(item)) for item in comparisons}
    columns = sorted({name for row in found.values() for name in row}, key=_order)
    if any(" ÷ " in name for name in columns):
        yield from (f"| case | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}")
        for name, row in found.items():
            yield f"| {name} | {' | '.join(_verdict(row[column]) if column in row else '' for column in columns)} |"


def _order(column: str) -> tuple[bool, str, bool, str]:
    """By whom masu is compared with, masu itself before the container; memory last."""
    own, _, other = column.partition(" ÷ ")
    return not other, {"docker": "", FLOOR: "~"}.get(other, other), own != "masu", column


def _verdict(verdict: Verdict) -> str:
    digits = 0 if verdict.limit > 100 else 2
    sign = "<" if verdict.is_below else "≤"
    word = "met" if verdict.is_met else "**missed**"
    return f"{verdict.value:.{digits}f} {word} ({sign} {verdict.limit:.{digits}f})"


def _section(comparison: Comparison) -> Iterator[str]:
    results, rounds = comparison.results, max(map(len, comparison.results.values()), default=0)
    versions = ", ".join(version for name, version in comparison.versions.items() if name != FLOOR)
    yield from ("", f"**{comparison.case}**: {comparison.title}", "")
    yield f"{versions}; {rounds} builds each, taking turns; median (least–most). {comparison.place}"
    yield from ("", *_HEAD)
    for name, found in results.items():
        yield _row(name, found, results)
    if comparison.left_out:
        yield from ("", "Left out:", "", *_reasons(comparison.left_out))


def _row(name: str, found: Sequence[Result], results: Mapping[str, Sequence[Result]]) -> str:
    seen = [result.measurement for result in found]
    cells = [
        name,
        spread([each.wall for each in seen]),
        spread([each.cpu for each in seen]),
        "" if name == FLOOR else f"{max(each.peak for each in seen) / 1e6:.0f}",
        _layers(found[-1].layers),
        "" if name == FLOOR else _moved(found),
        *("" if name == own else _ratio(results, own, found) for own in OWN),
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(results: Mapping[str, Sequence[Result]], own: str, found: Sequence[Result]) -> str:
    return spread(ratios(results.get(own, ()), found))


def _layers(sizes: Sequence[int]) -> str:
    return f"{len(sizes)}, {sum(sizes) / 1e6:.1f} MB" if sizes else ""


def _moved(found: Sequence[Result]) -> str:
    counted = [result.moved for result in found if result.moved is not None]
    megabytes = median(counted) / 1e6 if counted else 0
    return f"{megabytes:.{1 if megabytes >= 1 else 2}f}" if counted else ""


def _reasons(left_out: Mapping[str, str]) -> Iterator[str]:
    """First lines, without the names of this machine's directories."""
    for name, reason in left_out.items():
        yield f"- {name}: {reason.partition(':')[0].partition(chr(10))[0]}"
