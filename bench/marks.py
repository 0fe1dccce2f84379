"""What masu is to reach beside the others, and whether it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from bench.results import FLOOR, Comparison, Result

_CONTAINER = 1.5  # times the mark for masu outside
_BUILDAH = 1.0
_FLOOR = 1.25
_PEAK = 150  # MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`limit` itself is still allowed unless `is_below`."""

    value: float
    limit: float
    is_below: bool = False

    @property
    def is_met(self) -> bool:
        return self.value < self.limit if self.is_below else self.value <= self.limit


def verdicts(comparison: Comparison) -> Iterator[tuple[str, Verdict]]:
    """By what is compared; nothing about whom there are no results of."""
    results = comparison.results
    for own, factor in (("masu", 1.0), ("container", _CONTAINER)):
        for other, results_of in results.items():
            limit = _limit(comparison.mark, other, factor)
            if limit and (found := ratios(results.get(own, ()), results_of)):
                yield f"{own} ÷ {other}", Verdict(value=median(found), limit=limit, is_below=other.startswith("buildah"))
        if own in results:
            peak = max(result.measurement.peak for result in results[own]) / 1e6
            yield f"{own}, peak MB", Verdict(value=peak, limit=_PEAK, is_below=True)


def _limit(mark: float, other: str, factor: float) -> float:
    """0 for those that there is no mark for."""
    if other == "docker":
        return mark * factor
    if other == FLOOR:
        return _FLOOR if factor == 1 else 0
    return _BUILDAH if other.startswith("buildah") else 0


def ratios(own: Sequence[Result], others: Sequence[Result]) -> list[float]:
    """Wall time of one divided by the other's, round by round."""
    walls = {result.round: result.measurement.wall for result in others}
    return [result.measurement.wall / walls[result.round] for result in own if result.round in walls]
