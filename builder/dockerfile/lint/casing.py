"""Rules about upper and lower case (BuildKit, instructions/parse.go and dockerfile2llb/validations.go)."""

from __future__ import annotations

from collections.abc import Iterator

from builder.dockerfile.forms import WHITESPACE
from builder.dockerfile.lines import Line
from builder.dockerfile.lint.rule import Hit, Rule
from builder.dockerfile.parse import Dockerfile


def _stage_names(dockerfile: Dockerfile) -> Iterator[Hit]:
    for line, (_, _, name) in _named(dockerfile):
        if name != name.lower():
            yield Hit(line=line, detail=f"stage name {name!r} is not lower case")


def _as_keywords(dockerfile: Dockerfile) -> Iterator[Hit]:
    for line, (_, word, _) in _named(dockerfile):
        wanted = word.lower() if line.written == line.written.lower() else word.upper()
        if _is_uniform(line.written) and word != wanted:
            yield Hit(line=line, detail=f"{word!r} and {line.written!r} are not written in the same case")


def _instructions(dockerfile: Dockerfile) -> Iterator[Hit]:
    """ARGs before the first FROM count neither way."""
    lines = [line for stage in dockerfile.stages for line in (stage.origin.line, *(item.line for item in stage.instructions))]
    lower = sum(line.written == line.written.lower() for line in lines)
    upper = sum(line.written == line.written.upper() for line in lines)
    convert, name = (str.lower, "lower") if lower > upper else (str.upper, "upper")
    for line in lines:
        if line.written != convert(line.written):
            yield Hit(line=line, detail=f"{line.written!r} is not {name} case as most instructions of this file are")


def _named(dockerfile: Dockerfile) -> Iterator[tuple[Line, list[str]]]:
    """The FROMs with a name, and their three words."""
    for stage in dockerfile.stages:
        if stage.name:
            yield stage.origin.line, WHITESPACE.split(stage.origin.line.rest)


def _is_uniform(word: str) -> bool:
    return word in (word.lower(), word.upper())


STAGE_NAME_CASING = Rule(
    name="StageNameCasing",
    summary="a stage's name has capital letters",
    advice="Names of stages are taken for lower case wherever they are used; write them so.",
    bad="FROM scratch AS Builder",
    good="FROM scratch AS builder",
    on_file=_stage_names,
)
FROM_AS_CASING = Rule(
    name="FromAsCasing",
    summary="FROM and AS differ in case",
    advice="Write both words of the line in the same case.",
    bad="FROM scratch as builder",
    good="FROM scratch AS builder",
    on_file=_as_keywords,
)
CONSISTENT_INSTRUCTION_CASING = Rule(
    name="ConsistentInstructionCasing",
    summary="instructions are written in different cases",
    advice="Instructions may be written in any case, but a file is easier to read when all are upper or all are lower case.",
    bad="FROM scratch\nENV A=1\nenv B=2",
    good="FROM scratch\nENV A=1\nENV B=2",
    on_file=_instructions,
)
