"""Rules about the names of stages (BuildKit, dockerfile2llb/validations.go)."""

from __future__ import annotations

from collections.abc import Iterator

from builder.dockerfile.lint.rule import Hit, Rule
from builder.dockerfile.parse import Dockerfile

_RESERVED = ("context", "scratch")


def _duplicates(dockerfile: Dockerfile) -> Iterator[Hit]:
    names: set[str] = set()
    for stage in dockerfile.stages:
        if stage.name in names:
            yield Hit(line=stage.origin.line, detail=f"stage name {stage.name!r} is used more than once")
        names |= {stage.name} - {""}


def _reserved(dockerfile: Dockerfile) -> Iterator[Hit]:
    for stage in dockerfile.stages:
        if stage.name in _RESERVED:
            yield Hit(line=stage.origin.line, detail=f"stage name {stage.name!r} is a word with a meaning of its own")


DUPLICATE_STAGE_NAME = Rule(
    name="DuplicateStageName",
    summary="two stages have the same name",
    advice="Only one of them can be meant by the name; give each stage its own.",
    bad="FROM scratch AS builder\nFROM scratch AS builder",
    good="FROM scratch AS builder\nFROM scratch AS app",
    on_file=_duplicates,
)
RESERVED_STAGE_NAME = Rule(
    name="ReservedStageName",
    summary="a stage is called `context` or `scratch`",
    advice="`scratch` is the empty image and `context` the build context; a stage of that name can't be told from them.",
    bad="FROM scratch AS scratch",
    good="FROM scratch AS app",
    on_file=_reserved,
)
