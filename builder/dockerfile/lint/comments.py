"""The rule about the comments that `masu outline` and `masu targets` show as descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.dockerfile.instructions.arg import Arg
from builder.dockerfile.lines import Line
from builder.dockerfile.lint.rule import Hit, Rule
from builder.dockerfile.parse import Dockerfile


def _descriptions(dockerfile: Dockerfile) -> Iterator[Hit]:
    for arg in dockerfile.global_args:
        yield from _check(arg.line, [name for name, _ in arg.defaults])
    for stage in dockerfile.stages:
        yield from _check(stage.origin.line, [stage.name] if stage.name else [])
        for item in stage.instructions:
            if isinstance(item, Arg):
                yield from _check(item.line, [name for name, _ in item.defaults])


def _check(line: Line, names: Sequence[str]) -> Iterator[Hit]:
    """Only the last comment line counts."""
    if names and line.comments and line.comments[-1].split(" ")[0] not in names:
        wanted = names[0] if len(names) == 1 else "<arg_key>"
        yield Hit(line=line, detail=f"the comment above {line.name} does not begin with its name: '# {wanted} <description>'")


INVALID_DEFINITION_DESCRIPTION = Rule(
    name="InvalidDefinitionDescription",
    summary="a comment above ARG or FROM is no description of it",
    advice="A comment right above describes the argument or stage if it begins with its name; set other comments apart by a "
    "blank line.",
    bad="FROM scratch\n# which one\nARG VERSION=1",
    good="FROM scratch\n# VERSION which one\nARG VERSION=1",
    experimental=True,
    on_file=_descriptions,
)
