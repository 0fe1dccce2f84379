"""What a build will do: a Dockerfile lowered to stages of steps, before anything is done."""

from __future__ import annotations

from builder.plan.lower import BaseConfig, find_target, lower
from builder.plan.named import NamedContexts
from builder.plan.render import render
from builder.plan.single import single_layer
from builder.plan.values import Base, ImageBase, Plan, PlannedStage, Scratch, StageBase, Step

__all__ = [
    "Base",
    "BaseConfig",
    "ImageBase",
    "NamedContexts",
    "Plan",
    "PlannedStage",
    "Scratch",
    "StageBase",
    "Step",
    "find_target",
    "lower",
    "render",
    "single_layer",
]
