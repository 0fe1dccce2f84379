"""Where masu's image differs from docker's and shall: every row is told in docs/differences.md under its heading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.support.images import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """`path` and `field` are shell patterns for those of a Difference; `heading` is the entry in docs/differences.md."""

    heading: str
    path: str
    field: str = "*"

    def covers(self, difference: Difference) -> bool:
        return fnmatchcase(difference.path, self.path) and fnmatchcase(difference.field, self.field)


KNOWN: Mapping[str, tuple[Known, ...]] = {}


def unknown(case_id: str, found: Iterable[Difference]) -> list[Difference]:
    return [difference for difference in found if not any(known.covers(difference) for known in KNOWN.get(case_id, ()))]


def stale(case_id: str, found: Iterable[Difference]) -> list[Known]:
    """The rows of this case that cover nothing any more."""
    seen = list(found)
    return [known for known in KNOWN.get(case_id, ()) if not any(known.covers(difference) for difference in seen)]
