"""How far the layers of one stage are known to the look-up."""

from __future__ import annotations

from builder.image.layer import Layer
from builder.ingredients import Ingredients
from builder.key import CacheKey
from builder.layer_cache import Entry
from builder.ops import Op, is_link
from builder.plan import Plan, PlannedStage, Step
from builder.values import dataclass, field


@dataclass(slots=True, kw_only=True)
class Course:
    """How far one stage is known. Its steps are those with an op, counted from 0.

    `start` and `origin` are key and lineage of what it begins with; `keys` and `after` are of its first steps, `names` the keys
    that their layers have in the cache, `recipes` what went into the keys; `entries` has what was found there, `old` where it is
    too old for that, `made` the layers that surely fit, `assumed` where only a command's result is known and not its layer,
    `kept` the entries of all layers that the stage now has. It `is_spoilt` once a step has read what its key doesn't tell:
    nothing that is made from there on is kept.
    """

    stage: PlannedStage
    steps: tuple[Step, ...]
    start: CacheKey | None = None
    origin: CacheKey | None = None
    keys: list[CacheKey] = field(default_factory=list)
    names: list[CacheKey] = field(default_factory=list)
    recipes: list[Ingredients] = field(default_factory=list)
    after: list[CacheKey] = field(default_factory=list)
    entries: dict[int, Entry] = field(default_factory=dict)
    old: set[int] = field(default_factory=set)
    made: dict[int, Layer] = field(default_factory=dict)
    assumed: set[int] = field(default_factory=set)
    kept: dict[int, Entry] = field(default_factory=dict)
    is_spoilt: bool = False

    @property
    def last_key(self) -> CacheKey | None:
        """Of the stage as a whole, if it is known."""
        if len(self.keys) < len(self.steps):
            return None
        return self.keys[-1] if self.keys else self.start

    @property
    def lineage(self) -> CacheKey | None:
        """After what is known so far."""
        return self.after[-1] if self.after else self.origin

    @property
    def end(self) -> CacheKey | None:
        """The lineage of the stage as a whole, if it is known."""
        return self.lineage if len(self.after) == len(self.steps) else None

    def op(self, position: int) -> Op:
        op = self.steps[position].op
        assert op is not None
        return op

    def is_apart(self, position: int) -> bool:
        """Whether the step's layer is made apart from what is below it."""
        return is_link(self.op(position))

    def number(self, position: int) -> int:
        """Of the step among all instructions of the stage, from 1 on."""
        return self.stage.steps.index(self.steps[position]) + 1


def courses(plan: Plan) -> dict[int, Course]:
    """Of all stages, by their index: nothing is known yet."""
    return {stage.index: Course(stage=stage, steps=tuple(step for step in stage.steps if step.op)) for stage in plan.stages}
