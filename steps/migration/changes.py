"""What is to be changed in a text, and what is to be said about it: values, and how they are applied."""

from __future__ import annotations

from collections.abc import Iterable

from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edit:
    """The characters from `start` up to `end` become `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Note:
    """Said of a line, counted from 1. With `to_do` it is something that masu can't do for the user."""

    line: int
    text: str
    to_do: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that a rule wants of one file."""

    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()

    def __add__(self, other: Changes) -> Changes:
        return Changes(edits=self.edits + other.edits, notes=self.notes + other.notes)


def applied(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits. One that reaches into another is covered by it: the longer one counts."""
    parts, position = [], 0
    for edit in sorted(set(edits), key=lambda edit: (edit.start, -edit.end)):
        if edit.start < position:
            continue
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def line_of(text: str, position: int) -> int:
    """The number of the line that has this position, from 1."""
    return text.count("\n", 0, position) + 1
