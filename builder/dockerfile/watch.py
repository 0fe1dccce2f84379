"""Who looks on while a Dockerfile is lowered, and learns what only lowering knows: values of variables, inherited configs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from builder.dockerfile.lines import Line
from builder.dockerfile.parse import Stage
from builder.dockerfile.scope import Instruction, Scope
from builder.image.platform import Platform
from builder.ops import Op


class Watcher(Protocol):
    def origins(self, *, args: Mapping[str, str], defaults: Mapping[str, str] | None) -> None:
        """First of all: the variables that FROM sees, and what they are without `--build-arg` (None where that is an error)."""

    def begin(self, stage: Stage, *, parent: int | None) -> None:
        """The instructions of this stage follow, by number; it continues the stage `parent`, unless that is None."""

    def base(self, stage: Stage, *, reference: str, wanted: Platform, actual: Platform) -> None:
        """After `begin`: the image that the stage begins with."""

    def step(self, instruction: Instruction, *, before: Scope, after: Scope, op: Op | None) -> None:
        """An instruction was applied; triggers of the base come before the stage's own."""

    def unset(self, line: Line, names: Iterable[str], scope: Scope) -> None:
        """An expansion in this line met variables that have no value."""


class Nobody:
    """Watches nothing."""

    def origins(self, *, args: Mapping[str, str], defaults: Mapping[str, str] | None) -> None:
        pass

    def begin(self, stage: Stage, *, parent: int | None) -> None:
        pass

    def base(self, stage: Stage, *, reference: str, wanted: Platform, actual: Platform) -> None:
        pass

    def step(self, instruction: Instruction, *, before: Scope, after: Scope, op: Op | None) -> None:
        pass

    def unset(self, line: Line, names: Iterable[str], scope: Scope) -> None:
        pass
