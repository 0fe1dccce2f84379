"""A plan for an image with one new layer."""

from __future__ import annotations

from builder.ops import FromStage
from builder.plan.needs import read_by
from builder.plan.values import Plan, PlannedStage, StageBase
from builder.values import replace


def single_layer(plan: Plan) -> Plan:
    """The same, with at most one layer a stage; one that is nothing but another one's base becomes a part of that."""
    stages: dict[int, PlannedStage] = {}
    for stage in plan.stages:
        stages[stage.index] = stage
        if isinstance(stage.base, StageBase) and _users(plan, stage.base.index) == 1:
            parent = stages.pop(stage.base.index)
            stages[stage.index] = replace(stage, base=parent.base, steps=(*parent.steps, *stage.steps))
    return replace(plan, stages=tuple(stages.values()), single_layer=True)


def _users(plan: Plan, index: int) -> int:
    starting = [stage for stage in plan.stages if stage.base == StageBase(index=index)]
    reading = [stage for stage in plan.stages for _, source in read_by(stage) if source == FromStage(index=index)]
    return len(starting) + len(reading) + (index in plan.also or index == plan.target_index)
