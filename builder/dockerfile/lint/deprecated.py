"""Rules about what the language has left behind."""

from __future__ import annotations

from collections.abc import Iterator

from builder.dockerfile import forms
from builder.dockerfile.instructions.env import Env
from builder.dockerfile.instructions.label import Label
from builder.dockerfile.instructions.maintainer import Maintainer
from builder.dockerfile.lines import Line
from builder.dockerfile.lint.rule import Hit, Moment, Rule
from builder.dockerfile.parse import Dockerfile


def _maintainer(dockerfile: Dockerfile) -> Iterator[Hit]:
    for stage in dockerfile.stages:
        for item in stage.instructions:
            if isinstance(item, Maintainer):
                yield Hit(line=item.line, detail="MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors")


def _legacy_pairs(moment: Moment) -> Iterator[Hit]:
    item = moment.instruction
    if isinstance(item, Env | Label):
        words = forms.pairs(item.line.rest, item.line.escape, item.line.name).words
        if not words[2]:
            name = item.line.written
            yield Hit(line=item.line, detail=f"'{name} key value' is the old form of '{name} key=value'")


def _blank_lines(dockerfile: Dockerfile) -> Iterator[Hit]:
    for line in _lines(dockerfile):
        if line.blank_before:
            last = line.blank_before
            yield Hit(line=line, detail="a blank line stands among the lines of one instruction", lines=(last, last))


def _lines(dockerfile: Dockerfile) -> Iterator[Line]:
    yield from (arg.line for arg in dockerfile.global_args)
    for stage in dockerfile.stages:
        yield stage.origin.line
        yield from (item.line for item in stage.instructions)


MAINTAINER_DEPRECATED = Rule(
    name="MaintainerDeprecated",
    summary="MAINTAINER is used",
    advice="A label says the same and can be read by every tool.",
    bad="MAINTAINER moby@example.com",
    good='LABEL org.opencontainers.image.authors="moby@example.com"',
    on_file=_maintainer,
)
LEGACY_KEY_VALUE_FORMAT = Rule(
    name="LegacyKeyValueFormat",
    summary="ENV or LABEL without `=`",
    advice="The form with a blank takes the rest of the line as one value, which is easily misread.",
    bad="ENV DIR /my dir",
    good='ENV DIR="/my dir"',
    on_step=_legacy_pairs,
)
NO_EMPTY_CONTINUATION = Rule(
    name="NoEmptyContinuation",
    summary="a blank line within an instruction",
    advice="A blank line after a continued line will be an error one day; use a comment line to set lines apart.",
    bad='RUN ["a", \\\n\n  "b"]',
    good='RUN ["a", \\\n# and then\n  "b"]',
    on_file=_blank_lines,
)
