"""Why a step's layer was not in the cache."""

from __future__ import annotations

from typing import Any

from builder.caching import Rules
from builder.course import Course
from builder.ingredients import BASE, PARENT, Ingredients
from builder.plan import PlannedStage, StageBase
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Of one step that changes files; `number` is its own in the stage, from 1 on. One that is cached has no `reasons`.

    Where not all `is_known`, only the build itself finds out whether it is cached.
    """

    stage: PlannedStage
    number: int
    text: str
    is_cached: bool
    is_needed: bool
    is_known: bool
    reasons: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"stage": self.stage.name or str(self.stage.index), "step": self.number, "instruction": self.text}
        told["cached"] = self.is_cached
        if not self.is_cached:
            told |= {"reason": list(self.reasons)} if self.is_needed else {"needed": False}
        return told


def recipe(course: Course, position: int, rules: Rules) -> Ingredients:
    """What went into the layer of a step: with that of the steps before it whose layers aren't cached by themselves."""
    first = position if not rules.together else 0
    while first > 0 and not rules.caches(course.op(first - 1)):
        first -= 1
    on = course.keys[first - 1] if first else course.start
    assert on is not None
    name = BASE if first == 0 and not isinstance(course.stage.base, StageBase) else PARENT
    return course.recipes[position].on(on, name=name, with_those_of=course.recipes[first:position])


def why(course: Course, position: int, *, rules: Rules, before: Ingredients | None, most_files: int) -> tuple[str, ...]:
    """`before` is what went into the same step when it was cached last; at most so many files are named."""
    if course.stage.index in rules.fresh:
        return ("--no-cache",)
    if not rules.caches(course.op(position)):
        return ("layers of such instructions are not cached",)
    if position in course.old:
        return ("expired",)
    if position in course.entries:
        return ("what it works on came out differently",)
    if position >= len(course.keys):
        first = len(course.keys)
        return ("it reads what has to be built first",) if position == first else (f"{PARENT}: step {course.number(first)}",)
    if before is None:
        return ("never cached",)
    changes = recipe(course, position, rules).changes_since(before, most_files=most_files)
    return tuple(_named(change, course, position, rules) for change in changes) or ("no longer in the cache",)


def _named(change: str, course: Course, position: int, rules: Rules) -> str:
    """With the first step that was missed, if what it works on has changed."""
    if change != PARENT:
        return change
    missed = (other for other in range(position) if other not in course.made and rules.caches(course.op(other)))
    first = next(missed, None)
    if first is not None:
        return f"{change}: step {course.number(first)}"
    base = course.stage.base
    return f"{change}: the stage it begins with" if isinstance(base, StageBase) else change
