"""A build check as a value: what it is called, why it is there, and the function that finds what it is about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from builder.dockerfile.instructions.from_ import From
from builder.dockerfile.lines import Line
from builder.dockerfile.parse import Dockerfile
from builder.dockerfile.scope import Instruction, Scope
from builder.image.platform import Platform
from builder.values import dataclass, field

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What a rule found at an instruction; `lines` (first and last) where it isn't about the whole of it.

    `cause` is the instruction that gave rise to it if it is another one: a `# check=skip` above either counts.
    """

    line: Line
    detail: str
    lines: tuple[int, int] | None = None
    cause: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A FROM with the variables that it may use: `args` that have a value, `declared` whether they have one or not.

    `defaults` are the values without `--build-arg`; None where that is an error.
    """

    instruction: From
    args: Mapping[str, str]
    declared: frozenset[str]
    defaults: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The image that a stage begins with: as written, what was wanted, what came; `shell` is its SHELL."""

    line: Line
    reference: str
    wanted: Platform
    actual: Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An instruction of a stage as it is applied.

    `scope` is before it. `seen` has the last instruction of each kind in this stage. `placed`: this stage, or one that it begins
    with, has had a WORKDIR. `based`: what the stage's base image sets is known. `ignored` tells whether COPY doesn't see a path;
    None without rules.
    """

    instruction: Instruction
    scope: Scope
    seen: Mapping[type, Line] = field(default_factory=dict)
    placed: bool = False
    based: bool = True
    ignored: Callable[[str], bool] | None = None


def _nothing(_: object) -> Iterator[Hit]:
    return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`summary` says what is wrong, `advice` why and what to do; `bad` and `good` are examples, each a part of a Dockerfile.

    `needs` says what must be at hand beside the Dockerfile. An experimental rule runs only if it is asked for.
    """

    name: str
    summary: str
    advice: str
    bad: str
    good: str
    needs: str = ""
    experimental: bool = False
    on_file: Callable[[Dockerfile], Iterator[Hit]] = _nothing
    on_from: Callable[[Origin], Iterator[Hit]] = _nothing
    on_base: Callable[[Base], Iterator[Hit]] = _nothing
    on_step: Callable[[Moment], Iterator[Hit]] = _nothing

    @property
    def url(self) -> str:
        """Docker's page about its rule of this name."""
        return f"https://docs.docker.com/go/dockerfile/rule/{_CAPITAL.sub('-', self.name).lower()}/"
