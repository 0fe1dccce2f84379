"""What can be wrong with a piece of text, in one wording; whoever knows the line makes it a DockerfileError."""

from __future__ import annotations

from collections.abc import Iterable

_TOO_FAR = 3


class Problem(Exception):
    """Text that can't be read; it has no place yet."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint that names the closest of `known` (cases ignored), or an empty string when none is close."""
    from difflib import get_close_matches  # only for an error

    spelled = {name.lower(): name for name in known}
    close = get_close_matches(word[:100].lower(), list(spelled), n=1)
    return f"did you mean {spelled[close[0]]!r}?" if close else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """The first of `known` that is less than three edits away, or an empty string (BuildKit's util/suggest)."""
    found, least = "", _TOO_FAR
    for name in known:
        if name == word:
            return ""
        if abs(len(name) - len(word)) < least and (distance := _distance(word, name, least)) < least:
            found, least = name, distance
    return found


def _distance(one: str, other: str, limit: int) -> int:
    """Levenshtein's, or `limit` if it is at least that."""
    row = list(range(len(other) + 1))
    for number, char in enumerate(one, 1):
        previous, row = row, [number]
        for column, also in enumerate(other):
            row.append(min(row[column] + 1, previous[column + 1] + 1, previous[column] + (char != also)))
        if min(row) >= limit:
            return limit
    return row[-1]


def needs_one(name: str) -> Problem:
    return Problem(f"{name} needs exactly one argument")


def needs_some(name: str) -> Problem:
    return Problem(f"{name} needs at least one argument")


def needs_destination(name: str) -> Problem:
    return Problem(f"{name} needs at least two arguments: one or more sources and a destination")


def blank_name(name: str) -> Problem:
    return Problem(f"{name} has a blank name")
