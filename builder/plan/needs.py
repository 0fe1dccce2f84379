"""What the stages of a plan need of one another."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from builder.ops import CacheMount, CopyFrom, Exec, FromStage, is_link, sources
from builder.plan.values import Plan, PlannedStage, StageBase, Step


def read_by(stage: PlannedStage) -> Iterator[tuple[Step, CopyFrom]]:
    """What the stage reads from besides its base, and where."""
    return ((step, source) for step in stage.pending if step.op for source in sources(step.op))


def dependencies(plan: Plan) -> Mapping[int, frozenset[int]]:
    """The index of each stage, in build order → those of the stages that must be finished first."""
    return {stage.index: frozenset(_dependencies(stage)) for stage in plan.stages}


def _dependencies(stage: PlannedStage) -> Iterator[int]:
    if isinstance(stage.base, StageBase):
        yield stage.base.index
    yield from (source.index for _, source in read_by(stage) if isinstance(source, FromStage))


def stages_below(plan: Plan, index: int) -> Iterator[int]:
    """The stage and those that it begins with: their layers are its image's, with those of the base image."""
    bases = {stage.index: stage.base for stage in plan.stages}
    yield index
    while isinstance(base := bases[index], StageBase):
        index = base.index
        yield index


def has_independent_stages(plan: Plan) -> bool:
    """Whether two stages could be built at the same time."""
    needs, before = dependencies(plan), dict[int, frozenset[int]]()
    for index, direct in needs.items():
        before[index] = direct.union(*(before[other] for other in direct))
    return any(len(before[index]) < position for position, index in enumerate(before))


def runs(plan: Plan) -> bool:
    """Whether anything has to be run."""
    return any(isinstance(step.op, Exec) for stage in plan.stages for step in stage.pending)


def needs_rootfs(plan: Plan, stage: PlannedStage) -> bool:
    """Whether the stage must lie unpacked: it changes files itself, or another stage copies from it.

    COPY --link changes none, unless all changes are to be in one layer.
    """
    return is_read(plan, stage) or any(step.op and (plan.single_layer or not is_link(step.op)) for step in stage.pending)


def needs_contents(plan: Plan, stage: PlannedStage) -> bool:
    """Whether the files of the stage's tree must have their contents, so that an outline isn't enough.

    What copies or makes directories needs to know which are there. Where that turns out not to be enough, a whole tree is made of
    the layers; so there must be one of each step.
    """
    if any(isinstance(step.op, Exec) for step in stage.pending) or is_read(plan, stage):
        return True
    if plan.single_layer or not needs_layers(plan, stage):
        return True
    return any(needs_rootfs(plan, child) and needs_contents(plan, child) for child in _children(plan, stage.index))


def is_read(plan: Plan, stage: PlannedStage) -> bool:
    """Whether another stage copies from it."""
    return any(_reads(other, stage.index) for other in plan.stages)


def is_read_once(plan: Plan, index: int) -> bool:
    """Whether a single op reads the stage, and nothing else needs its files."""
    if index == plan.target_index or any(_children(plan, index)):
        return False
    return sum(source == FromStage(index=index) for stage in plan.stages for _, source in read_by(stage)) == 1


def needs_layers(plan: Plan, stage: PlannedStage) -> bool:
    """Whether layers of its changes are asked for: by the image, by a stage that begins with it, or to know its files by.

    Files that other stages copy or mount are read from its tree. What COPY --link makes is a layer before it is in the tree.
    """
    if (
        any(_children(plan, stage.index))
        or stage.index == plan.target_index
        or any(step.op and is_link(step.op) for step in stage.pending)
    ):
        return True
    mounts = (mount for other in plan.stages for step in other.pending if isinstance(step.op, Exec) for mount in step.op.mounts)
    return any(isinstance(mount, CacheMount) and mount.source == FromStage(index=stage.index) for mount in mounts)


def is_used(plan: Plan, index: int, *, by: Collection[int], but_as_base_of: PlannedStage | None = None) -> bool:
    """Whether one of the stages `by` copies from the stage `index` or starts from its tree."""
    return any(
        _reads(stage, index)
        or (stage is not but_as_base_of and stage.base == StageBase(index=index) and needs_rootfs(plan, stage))
        for stage in plan.stages
        if stage.index in by
    )


def _children(plan: Plan, index: int) -> Iterator[PlannedStage]:
    """The stages that begin with this one."""
    return (stage for stage in plan.stages if stage.base == StageBase(index=index))


def _reads(stage: PlannedStage, index: int) -> bool:
    return any(source == FromStage(index=index) for _, source in read_by(stage))
