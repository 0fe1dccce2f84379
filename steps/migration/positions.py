"""YAML with places: which characters of the file make which characters of a scalar's value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from builder.values import dataclass

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """`at[i]` is where `value[i]` is in the file."""

    value: str
    at: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The file's characters that make `value[start:end]`, which isn't empty."""
        return self.at[start], self.at[end - 1] + 1


def compose(text: str) -> list[Any]:
    """The nodes of each document, with marks. Raises ruamel's YAMLError."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.allow_duplicate_keys = True
    return [node for node in yaml.compose_all(text) if node is not None]


def scalar(text: str, node: Any) -> Scalar | None:
    """None where the places can't be told, as with escapes of characters by number."""
    start = _PROPERTIES.match(text, node.start_mark.index, node.end_mark.index)
    first = start.end() if start else node.start_mark.index
    made = {"|": _block, ">": _block}.get(node.style or "", _flow)(text, first, node.end_mark.index)
    value, at = "".join(character for character, _ in made), [place for _, place in made]
    length = len(value.rstrip("\n"))
    return Scalar(value=value[:length], at=at[:length]) if value[:length] == node.value.rstrip("\n") else None


Made = list[tuple[str, int]]


def _flow(text: str, start: int, end: int) -> Made:
    """A plain or quoted one: breaks with the space around them are one space, or a break for each empty line."""
    quote = text[start : start + 1]
    quote = quote if quote in ("'", '"') else ""
    start, end = (start + 1, end - 1) if quote else (start, end)
    made: Made = []
    while start < end:
        folded = re.compile(r"[ \t]*\n\s*").match(text, start, end)
        if folded:
            breaks = folded[0].count("\n") - 1
            made += [("\n" if breaks else " ", folded.start())] * max(breaks, 1)
            start = folded.end()
        elif quote == '"' and text[start] == "\\":
            start += _escape(text, start, made)
        else:
            made.append((text[start], start))
            start += 2 if quote == "'" and text[start] == "'" else 1
    return made


def _escape(text: str, start: int, made: Made) -> int:
    """Adds what a backslash in double quotes stands for; returns the length of it in the file."""
    folded = re.compile(r"\\\n[ \t]*").match(text, start)
    if folded:
        return len(folded[0])
    # The second character has the place: an edit of the value never begins with one that is written by two.
    made.append(({"n": "\n", "t": "\t"}.get(text[start + 1], text[start + 1]), start + 1))
    return 2


def _block(text: str, start: int, end: int) -> Made:
    head_end = text.index("\n", start) + 1
    header = text[start:head_end]
    folds = header.startswith(">")
    made: Made = []
    previous = ""
    for number, (line, place) in enumerate(_block_lines(text, header, head_end, end)):
        if number:
            made += _joint(previous, line, place, made, folds=folds)
        made += [(character, place + offset) for offset, character in enumerate(line)]
        previous = line
    return made


def _block_lines(text: str, header: str, start: int, end: int) -> Iterator[tuple[str, int]]:
    """The lines without their indentation, and where each begins."""
    lines = text[start:end].split("\n")
    explicit = re.search(r"[1-9]", header.partition("#")[0])
    indents = [len(line) - len(line.lstrip(" ")) for line in lines if line.strip()]
    indent = indents[0] if indents and not explicit else min(indents, default=0)
    place = start
    for line in lines:
        yield line[indent:], place + min(indent, len(line))
        place += len(line) + 1


def _joint(previous: str, line: str, place: int, made: Made, *, folds: bool) -> Made:
    """What stands between two lines: a break; in a folded one a space between two that aren't indented further."""
    before = made[-1][1] + 1 if made else place
    if not folds or not previous or previous[0] in " \t" or line[:1] in (" ", "\t"):
        # After an empty line of a folded one the break is there already.
        return [("\n", before)]
    return [(" ", before)] if line else []
