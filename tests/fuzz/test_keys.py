"""A random change makes exactly those steps miss that can see it, and what follows them: keys are tried against a plain model."""

from __future__ import annotations

import copy
import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.changes import CHANGES, change, random_world
from tests.fuzz.worlds import World, steps
from tests.support.rehearsal import Rehearsal

_COUNT = int(os.environ.get("MASU_KEYS", "60"))
_SEED = int(os.environ.get("MASU_SEED", "0"))


def build(project: Rehearsal, world: World) -> list[int]:
    world.write(project.context)
    project.images, project.dockerfile = world.images, world.dockerfile()
    project.give(**world.options())
    return project.build()


@pytest.mark.parametrize("seed", range(_SEED, _SEED + _COUNT))
def test_a_change_makes_those_steps_miss_that_can_see_it(seed: int, tmp_path: Path) -> None:
    rng, project = Random(seed), Rehearsal(directory=tmp_path, dockerfile="")
    world = random_world(rng)
    assert len(build(project, world)) == len({seen.name for seen in steps(world)})
    assert build(project, world) == [], "nothing has changed but times"
    known = {seen.name for seen in steps(world)}
    for _ in range(3):
        changed = copy.deepcopy(world)
        what = change(changed, rng)
        missed = [number for number, seen in enumerate(steps(changed), 1) if seen.name not in known]
        assert build(project, changed) == missed, f"{what}\n{world.dockerfile()}\n→\n{changed.dockerfile()}"
        known |= {seen.name for seen in steps(changed)}
    assert build(project, world) == [], "all is still there"


def test_every_change_is_seen_by_some_steps_and_not_by_others() -> None:
    seen, unseen = Counter[str](), Counter[str]()
    for seed in range(1500):
        rng = Random(seed)
        world = random_world(rng)
        before = [step.key for step in steps(world)]
        what = change(world, rng)
        after = [step.key for step in steps(world)]
        seen[what] += before != after
        unseen[what] += before == after
    names = {made.__name__ for made in CHANGES}
    assert names - set(+seen) == {"times", "note", "unused_stage", "stage_name"}
    assert names - set(+unseen) <= {"host", "step", "word"}
