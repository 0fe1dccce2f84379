"""What a case builds, as values: both the Dockerfile and the floor are made from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.bases import Base


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """`source` is relative to the context, or absolute in an earlier `stage`; `target` is absolute, a directory ends with `/`."""

    source: str
    target: str
    stage: int | None = None

    def instruction(self) -> str:
        origin = "" if self.stage is None else f"--from=stage{self.stage} "
        return f"COPY {origin}{self.source} {self.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """`makes`: absolute paths of what the command leaves that is worth compressing."""

    command: str
    makes: tuple[str, ...] = ()

    def instruction(self) -> str:
        return f"RUN {self.command}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`base` is None for scratch."""

    base: Base | None
    steps: tuple[Copy | Run, ...]


def dockerfile(stages: Sequence[Stage]) -> str:
    return "".join(f"{line}\n" for line in _lines(stages))


def _lines(stages: Sequence[Stage]) -> Iterator[str]:
    for number, stage in enumerate(stages):
        yield f"FROM {stage.base.reference if stage.base else 'scratch'} AS stage{number}"
        for step in stage.steps:
            yield step.instruction()
