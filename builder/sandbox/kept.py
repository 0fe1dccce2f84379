"""What stays where it is while a stage takes the place of `/`: mount points of this container, and masu's own. Stdlib only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from builder.values import dataclass

_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Kept:
    """`paths` stay (absolute, without links); `ways` are the directories that lead to them, `/` the first of them."""

    paths: frozenset[str]
    ways: frozenset[str]

    @classmethod
    def of(cls, paths: Iterable[str]) -> Kept:
        """Leave out what lies below another."""
        outermost: set[str] = set()
        for path in sorted(set(paths)):
            if path != "/" and not any(path.startswith(f"{other}/") for other in outermost):
                outermost.add(path)
        return cls(frozenset(outermost), frozenset(way for path in outermost for way in _ways(path)))


def _ways(path: str) -> Iterable[str]:
    while path != "/":
        path = os.path.dirname(path)
        yield path


def mount_points() -> dict[str, str]:
    """Mount id → where it is mounted, for every mount of this process (proc(5), mountinfo)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        rows = [line.split(" ") for line in file]
    return {row[0]: _OCTAL.sub(lambda match: chr(int(match[1], 8)), row[4]) for row in rows}
