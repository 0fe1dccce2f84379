"""Dockerfile bytes to typed stages; text only (moby/buildkit frontend/dockerfile/instructions/parse.go)."""

from __future__ import annotations

from builder.dockerfile.instructions import INSTRUCTIONS
from builder.dockerfile.instructions.arg import Arg
from builder.dockerfile.instructions.from_ import From
from builder.dockerfile.instructions.onbuild import OnBuild
from builder.dockerfile.lines import Directives, Line, read
from builder.dockerfile.problem import Problem, suggest
from builder.dockerfile.scope import Instruction
from builder.errors import DockerfileError
from builder.values import dataclass, replace

_OWN_SYNTAX = ("docker/dockerfile", "docker.io/docker/dockerfile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`name` is lower case, or empty; `origin` is its FROM."""

    index: int
    name: str
    origin: From
    instructions: tuple[Instruction, ...]

    @property
    def title(self) -> str:
        """The name, or the index as text: how messages call it."""
        return self.name or str(self.index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """`data` is its text; `global_args` stand before the first FROM; `notes` are remarks that a user should see."""

    file: str
    data: bytes = b""
    directives: Directives
    global_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    notes: tuple[str, ...] = ()


def parse(data: bytes, *, file: str) -> Dockerfile:
    """Read a Dockerfile; `file` is its name in messages. Raises DockerfileError with the place of what is wrong."""
    source = read(data, file=file)
    if not source.lines:
        raise DockerfileError("file with no instructions", file=file, line=1, hint="a Dockerfile begins with FROM")
    global_args: list[Arg] = []
    stages: list[tuple[From, list[Instruction]]] = []
    for line in source.lines:
        instruction = parse_instruction(line)
        if isinstance(instruction, From):
            stages.append((instruction, []))
        elif stages:
            stages[-1][1].append(instruction)
        elif isinstance(instruction, Arg):
            global_args.append(instruction)
        else:
            raise line.error(f"{line.name} stands before the first FROM", hint="only ARG may; a stage begins with FROM")
    if not stages:
        raise source.lines[-1].error("dockerfile contains no stages to build", hint="a stage begins with FROM")
    return Dockerfile(
        file=file,
        data=data,
        directives=source.directives,
        global_args=tuple(global_args),
        stages=tuple(
            Stage(index=index, name=origin.name, origin=origin, instructions=tuple(body))
            for index, (origin, body) in enumerate(stages)
        ),
        notes=_notes(source.directives),
    )


def parse_instruction(line: Line) -> Instruction:
    """One line, typed; raises DockerfileError."""
    kind = INSTRUCTIONS.get(line.keyword)
    if kind is None:
        raise line.error(
            f"unknown instruction {line.written!r}", hint=suggest(line.keyword, [name.upper() for name in INSTRUCTIONS])
        )
    try:
        instruction = kind.parse(line, kind.form(line.rest, line.escape, line.name))
    except Problem as problem:
        raise line.located(problem) from problem
    if isinstance(instruction, OnBuild):  # now, and not only when somebody builds on the image
        parse_instruction(instruction.trigger)
    return instruction


def parse_trigger(expression: str, origin: Line) -> Instruction:
    """An ONBUILD trigger of a base image; its place is that of `origin`, the FROM that brought it."""
    try:
        source = read(expression.encode("utf-8", "surrogateescape"), file=origin.location.file)
        if len(source.lines) != 1:
            raise Problem("it must be one instruction")
        instruction = parse_instruction(replace(source.lines[0], location=origin.location, source=origin.source))
        if isinstance(instruction, From):
            raise Problem("FROM can't be a trigger")
    except (Problem, DockerfileError) as error:
        raise origin.error(f"the base has an ONBUILD trigger that can't be used: {expression!r}: {error.args[0]}") from error
    return instruction


def _notes(directives: Directives) -> tuple[str, ...]:
    image = directives.syntax.split(" ")[0]
    name = image.partition("@")[0]
    if not image or name in _OWN_SYNTAX or name.startswith(tuple(f"{own}{mark}" for own in _OWN_SYNTAX for mark in (":", "-"))):
        return ()
    return (f"the frontend {image!r} of the syntax directive is not used: the file is read as a docker/dockerfile",)
