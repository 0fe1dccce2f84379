"""The run itself: case by case, round by round, the contestants taking turns."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from bench.area import Area, opened_area
from bench.bases import Bases
from bench.cases import CASES, Case, Reuse, Workshop
from bench.console import loudly, say
from bench.contestants import CONTESTANTS
from bench.contestants.contestant import Contestant
from bench.errors import BenchError, Unavailable
from bench.loopback import moved, own_network
from bench.registry import Registry, served_registry
from bench.results import FLOOR, OWN, Comparison, Result
from bench.settings import Settings
from bench.systems import fetch_systems


def compare(settings: Settings) -> Iterator[Comparison]:
    """Case by case; everything is gone from the machine at the end. Raises BenchError when masu itself fails."""
    with opened_area() as area, ExitStack() as stack:
        if not settings.sizes.tiny:
            fetch_systems(area)
        is_counted = stack.enter_context(own_network())
        contestants, left_out = _open(settings, area, stack)
        versions = {name: contestant.version for name, contestant in contestants.items()}
        for name in settings.cases:
            say(f"preparing case {name}")
            with served_registry(area.fresh("registry")) as registry:  # each case its own, or the disk would have to hold all
                shop = Workshop(area=area, bases=Bases(area, registry, settings.sizes), sizes=settings.sizes)
                case = CASES[name](shop)
                race = _Race(case, area, registry, contestants, is_counted=is_counted)
                results = race.run(settings.runs)
            yield Comparison(
                case=name,
                title=case.title,
                mark=case.mark,
                results=results,
                versions={name: version for name, version in versions.items() if name in results},
                left_out={**left_out, **race.left_out},
                place=area.place,
            )
            shutil.rmtree(case.context)


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
    """One case. A peer that fails is `left_out` from then on; masu may not fail."""

    def __init__(
        self,
        case: Case,
        area: Area,
        registry: Registry,
        contestants: Mapping[str, Contestant],
        *,
        is_counted: bool,
    ) -> None:
        self._case = case
        self._is_counted = is_counted
        self._area = area
        self._registry = registry
        self._contestants = {name: each for name, each in contestants.items() if name != FLOOR or _has_floor(case)}
        self.left_out: dict[str, str] = {}

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
                if name in OWN:
                    raise
                self.left_out[name] = str(error)
                loudly(f"{name} is left out of case {self._case.name}: {error}")
                del self._contestants[name]
                continue
            seen = result.measurement
            figures = f"{seen.wall:7.2f} s {seen.cpu:7.2f} s CPU {seen.peak / 1e6:5.0f} MB"
            say(f"case {self._case.name}, round {number}: {name:11} {figures}")
            yield name, result

    def _turn(self, number: int, name: str, contestant: Contestant) -> Result:
        repository = f"{self._case.name}-{name}-{number}"  # a new one each time: nothing that was pushed before is in it
        target = f"{self._registry.address}/{repository}"
        with ExitStack() as machine:
            machine.enter_context(contestant.machine(self._case))
            if self._case.reuse is not Reuse.NOTHING:
                self._case.change(f"before round {number}\n")
                contestant.build(self._case, f"{target}:before")
            if self._case.reuse is Reuse.REGISTRY:
                machine.close()
                machine.enter_context(contestant.machine(self._case))
            self._case.change(f"in round {number}\n")
            self._area.settle()
            before = moved()
            measurement = contestant.build(self._case, f"{target}:run")
            crossed = moved() - before
        layers = () if name == FLOOR else self._new_layers(repository)
        return Result(round=number, measurement=measurement, layers=layers, moved=crossed if self._is_counted else None)

    def _new_layers(self, repository: str) -> tuple[int, ...]:
        """Proof, too, that the image is there."""
        base = self._case.last.base
        below = len(base.layers) if base else 0
        layers = self._registry.layer_sizes(repository, "run")[below:]
        if not layers:
            raise BenchError(f"the image in {repository!r} has no layer of its own")
        return tuple(layers)


def _has_floor(case: Case) -> bool:
    """Of a build that finds everything in the registry nothing is left but requests."""
    return case.reuse is not Reuse.REGISTRY
