"""The plan as values: stages, each a base and steps."""

from __future__ import annotations

from builder.image.config import Config
from builder.image.layer import Layer
from builder.image.platform import Platform
from builder.ops import Location, Op
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One instruction as it will be carried out.

    `op` None: only the config changes. `created_by` is the text of its history entry, empty for an instruction that makes none
    (ONBUILD); the entry is an empty layer exactly if `op` is None. `config` is the image's after the step, without history and
    diff_ids. `made` is the op's layer if there is one already, so that the op needn't be carried out.
    """

    text: str
    location: Location
    op: Op | None
    created_by: str
    config: Config
    made: Layer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """Begins with nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageBase:
    """Begins where the stage with this index in the Dockerfile ended."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBase:
    """Begins with an image; `reference` is as written, variables expanded."""

    reference: str
    platform: Platform


Base = Scratch | StageBase | ImageBase


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """`index` is that in the Dockerfile; `config` is the final one, for the target with `--label`; no history, no diff_ids."""

    index: int
    name: str
    base: Base
    platform: Platform
    steps: tuple[Step, ...]
    config: Config

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that have to be carried out."""
        return tuple(step for step in self.steps if step.op and step.made is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Only the stages that are needed, in build order; `target_index` is that of the target in the Dockerfile.

    `platform` is the one that is built for, and so that of the images which any stage copies from, whatever its own is. `also`
    are the stages that are built for their own sake besides. With `single_layer` a stage makes one layer of all that it changes.
    """

    stages: tuple[PlannedStage, ...]
    target_index: int
    platform: Platform
    also: frozenset[int] = frozenset()
    single_layer: bool = False

    @property
    def target(self) -> PlannedStage:
        """The stage whose image is the build's."""
        return next(stage for stage in self.stages if stage.index == self.target_index)
