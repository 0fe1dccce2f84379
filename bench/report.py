"""The figures as Markdown, and their place in docs/performance.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.compare import Result, Table
from bench.errors import BenchError
from bench.settings import Settings

_HEAD = (
    "| builder | wall, s | CPU, s | peak memory, MB | new layers | masu ÷ it, wall |",
    "|---|---|---|---|---|---|",
)


def render(table: Table, settings: Settings) -> str:
    return "\n".join([*_preface(table, settings), *_sections(table), *_omissions(table)]) + "\n"


def write_between_markers(path: Path, text: str, *, marker: str = "bench") -> None:
    """Replace what lies between the markers of this name in `path`."""
    first, last = f"<!-- {marker}: begin -->", f"<!-- {marker}: end -->"
    old = path.read_text(encoding="utf-8")
    before, begin, rest = old.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise BenchError(f"{path.name} has no lines {first!r} and {last!r} to write between")
    temporary = path.with_suffix(".part")
    temporary.write_text(f"{before}{first}\n{text}{last}{after}", encoding="utf-8")
    temporary.rename(path)


def _preface(table: Table, settings: Settings) -> Iterator[str]:
    versions = ", ".join(version for name, version in table.versions.items() if name != "floor")
    kernel = ".".join(platform.release().split(".")[:2])
    machine = f"{os.cpu_count()} cores, Linux {kernel}, Python {platform.python_version()}"
    yield f"{versions}; {settings.runs} cold builds each, taking turns; median (least–most)."
    yield f"{machine}; everything on one file system: {table.file_system}."


def _sections(table: Table) -> Iterator[str]:
    for title, results in table.results.items():
        yield from ("", f"**{title}**", "", *_HEAD)
        for name, found in results.items():
            yield _row(name, found, results.get("masu", ()))


def _row(name: str, found: Sequence[Result], own: Sequence[Result]) -> str:
    seen = [result.measurement for result in found]
    cells = [
        name,
        _spread([each.wall for each in seen]),
        _spread([each.cpu for each in seen]),
        "" if name == "floor" else f"{median(each.peak for each in seen) / 1e6:.0f}",
        _layers(found[-1].layers),
        "" if name == "masu" else _spread(ratios(own, found)),
    ]
    return f"| {' | '.join(cells)} |"


def ratios(own: Sequence[Result], others: Sequence[Result]) -> list[float]:
    """Wall time of one divided by the other's, round by round."""
    walls = {result.round: result.measurement.wall for result in others}
    return [result.measurement.wall / walls[result.round] for result in own if result.round in walls]


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})" if values else ""


def _layers(sizes: Sequence[int]) -> str:
    return f"{len(sizes)}, {sum(sizes) / 1e6:.1f} MB" if sizes else ""


def _omissions(table: Table) -> Iterator[str]:
    if table.left_out:
        yield from ("", "Left out:", "", *_reasons(table.left_out))


def _reasons(left_out: Mapping[str, str]) -> Iterator[str]:
    """First lines, without the names of this machine's directories."""
    for name, reason in left_out.items():
        yield f"- {name}: {reason.partition(':')[0].partition(chr(10))[0]}"
