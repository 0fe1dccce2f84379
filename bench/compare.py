"""The run itself: case by case, round by round, the contestants taking turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from bench.area import Area, opened_area
from bench.cases import CASES, Case
from bench.console import loudly, say
from bench.contestants import CONTESTANTS
from bench.contestants.contestant import Contestant
from bench.errors import BenchError, Unavailable
from bench.measure import Measurement
from bench.registry import Registry, served_registry
from bench.settings import Settings

_OWN = ("masu", "container")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One build. `layers`: the sizes in bytes of the layers pushed on top of the base; none for the floor."""

    round: int
    measurement: Measurement
    layers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What came out: results by title of the case and contestant, and what a reader must know beside them."""

    results: Mapping[str, Mapping[str, tuple[Result, ...]]]
    versions: Mapping[str, str]
    left_out: Mapping[str, str]
    file_system: str


def compare(settings: Settings) -> Table:
    """Everything is gone from the machine when this returns or raises. Raises BenchError when masu itself fails."""
    with opened_area() as area, ExitStack() as stack:
        registry = stack.enter_context(served_registry(area.fresh("registry")))
        contestants, left_out = _open(settings, area, stack)
        results = {}
        for name in settings.cases:
            say(f"preparing case {name}")
            case = CASES[name](area, registry, settings.sizes)
            results[case.title] = _Race(case, area, registry, contestants, left_out).run(settings.runs)
        versions = {name: contestant.version for name, contestant in contestants.items()}
        return Table(results=results, versions=versions, left_out=left_out, file_system=area.kind)


def _open(settings: Settings, area: Area, stack: ExitStack) -> tuple[dict[str, Contestant], dict[str, str]]:
    contestants, left_out = {}, {}
    for name in settings.contestants:
        try:
            contestants[name] = stack.enter_context(CONTESTANTS[name](area))
        except Unavailable as error:
            left_out[name] = str(error)
            loudly(f"{name} is left out: {error}")
    return contestants, left_out


class _Race:
    """One case. A peer that fails is left out from then on; masu may not fail."""

    def __init__(
        self, case: Case, area: Area, registry: Registry, contestants: Mapping[str, Contestant], left_out: dict[str, str]
    ) -> None:
        self._case = case
        self._area = area
        self._registry = registry
        self._contestants = dict(contestants)
        self._left_out = left_out

    def run(self, rounds: int) -> dict[str, tuple[Result, ...]]:
        results: dict[str, tuple[Result, ...]] = dict.fromkeys(self._contestants, ())
        for number in range(1, rounds + 1):
            for name, result in self._round(number):
                results[name] += (result,)
        return {name: found for name, found in results.items() if found}

    def _round(self, number: int) -> Iterator[tuple[str, Result]]:
        for name, contestant in list(self._contestants.items()):
            try:
                result = self._turn(number, name, contestant)
            except BenchError as error:
                if name in _OWN:
                    raise
                self._left_out[f"{name} in case {self._case.name}"] = str(error)
                loudly(f"{name} is left out of case {self._case.name}: {error}")
                del self._contestants[name]
                continue
            seen = result.measurement
            figures = f"{seen.wall:7.2f} s {seen.cpu:7.2f} s CPU {seen.peak / 1e6:5.0f} MB"
            say(f"case {self._case.name}, round {number}: {name:8} {figures}")
            yield name, result

    def _turn(self, number: int, name: str, contestant: Contestant) -> Result:
        repository = f"{self._case.name}-{name}-{number}"  # a new one each time: nothing that was pushed before is in it
        with contestant.cold():
            self._area.settle()
            measurement = contestant.build(self._case, f"{self._registry.address}/{repository}:run")
        layers = () if name == "floor" else self._new_layers(repository)
        return Result(round=number, measurement=measurement, layers=layers)

    def _new_layers(self, repository: str) -> tuple[int, ...]:
        """Proof, too, that the image is there."""
        below = len(self._case.base.layers) if self._case.base else 0
        layers = self._registry.layer_sizes(repository, "run")[below:]
        if not layers:
            raise BenchError(f"the image in {repository!r} has no layer of its own")
        return tuple(layers)
