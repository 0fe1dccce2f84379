"""What came out of comparing, and how it is kept: one run needn't measure all cases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.measure import Measurement

OWN = ("masu", "container")
FLOOR = "floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One build. `layers`: the sizes in bytes of the layers pushed on top of the base; none for the floor. `moved`: bytes to and
    from the registry, None where they can't be counted."""

    round: int
    measurement: Measurement
    layers: tuple[int, ...]
    moved: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One case: results by contestant, and what a reader must know beside them. `mark`: the most that masu's wall time may be of
    docker's; `place`: a line about the machine."""

    case: str
    title: str
    mark: float
    results: Mapping[str, Sequence[Result]]
    versions: Mapping[str, str]
    left_out: Mapping[str, str]
    place: str


def keep(new: Iterable[Comparison], path: Path, *, order: Sequence[str]) -> list[Comparison]:
    """Put them into the file, each in place of its case's last; returns all that it has then, in the `order` of their cases."""
    found = {item.case: item for item in (*_read(path), *new)}
    comparisons = sorted(found.values(), key=lambda item: order.index(item.case))
    write_whole(path, json.dumps([asdict(item) for item in comparisons], indent=1) + "\n")
    return comparisons


def write_whole(path: Path, text: str) -> None:
    """The file has all of the text, or what it had."""
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.rename(path)


def _read(path: Path) -> list[Comparison]:
    if not path.exists():
        return []
    return [_comparison(item) for item in json.loads(path.read_text(encoding="utf-8"))]


def _comparison(item: Mapping[str, Any]) -> Comparison:
    results = {name: tuple(_result(each) for each in found) for name, found in item["results"].items()}
    return Comparison(**{**item, "results": results})


def _result(item: Mapping[str, Any]) -> Result:
    return Result(**{**item, "measurement": Measurement(**item["measurement"]), "layers": tuple(item["layers"])})
