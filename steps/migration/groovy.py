"""Strings of Groovy, in which a Jenkinsfile has its scripts and pods: which characters of the file make which of a string."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.values import replace
from steps.migration.changes import Changes, Edit, line_of
from steps.migration.positions import Scalar

_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r"|(?P<triple>'''|\"\"\")(?P<long>(?:\\.|(?!(?P=triple))[^\\])*)(?P=triple)"
    r"|(?P<quote>['\"])(?P<short>(?:\\.|(?!(?P=quote))[^\\\n])*)(?P=quote)",
    re.DOTALL,
)
_POD = re.compile(r"^\s*(?:containers|initContainers):\s*$", re.MULTILINE)
_ESCAPES = {"n": "\n", "t": "\t", "\n": ""}


def literals(text: str) -> Iterator[Scalar]:
    """Every string with something in it, whatever its quotes; nothing is interpolated."""
    for token in _TOKEN.finditer(text):
        group = "long" if token["long"] else "short"
        if token[group]:
            yield _literal(text, *token.span(group))


def is_pod(value: str) -> bool:
    """Whether a string is a pod's YAML."""
    return bool(_POD.search(value))


def placed(changes: Changes, literal: Scalar, text: str) -> Changes:
    """Changes to a string's value as changes to the file, in which it has no escaped line ends."""
    places = [*literal.at, literal.at[-1] + 1]
    edits = tuple(Edit(start=places[edit.start], end=places[edit.end], text=edit.text) for edit in changes.edits)
    before = line_of(text, places[0]) - 1
    return Changes(edits=edits, notes=tuple(replace(note, line=note.line + before) for note in changes.notes))


def _literal(text: str, start: int, end: int) -> Scalar:
    """The second character of an escape has the place."""
    value, at = "", list[int]()
    while start < end:
        escaped = text[start] == "\\"
        start += escaped
        character = _ESCAPES.get(text[start], text[start]) if escaped else text[start]
        value += character
        at += [start] * len(character)
        start += 1
    return Scalar(value=value, at=at)
