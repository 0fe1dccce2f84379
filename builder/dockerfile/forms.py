"""The forms of arguments: JSON, words, one string, key=value (moby/buildkit frontend/dockerfile/parser/line_parsers.go).

Each instruction names one of these functions as its `form`; the result says nothing yet about what the arguments mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from builder.dockerfile.gotext import LONE_SURROGATES, SPACES
from builder.dockerfile.problem import Problem, blank_name, needs_some
from builder.values import dataclass

WHITESPACE = re.compile(r"[\t\v\f\r ]+")
"""What separates words: no NBSP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """`json` says that they were written as a JSON array."""

    words: tuple[str, ...] = ()
    json: bool = False


Form = Callable[[str, str, str], Arguments]
"""(rest of the line, escape character, keyword in upper case) → Arguments; raises Problem."""


def is_json_array(text: str) -> bool:
    return _json_array(text) is not None


def string(rest: str, escape: str, name: str) -> Arguments:
    """The rest of the line as one word."""
    return Arguments(words=(rest,) if rest else ())


def words(rest: str, escape: str, name: str) -> Arguments:
    """Words between blanks; quotes mean nothing."""
    return Arguments(words=tuple(WHITESPACE.split(rest)) if rest else ())


def json_or_string(rest: str, escape: str, name: str) -> Arguments:
    """A JSON array of strings, else (also when the JSON is invalid) one string."""
    return _json(rest) or string(rest, escape, name)


def json_or_words(rest: str, escape: str, name: str) -> Arguments:
    return _json(rest) or words(rest, escape, name)


def typed_command(rest: str, escape: str, name: str) -> Arguments:
    """HEALTHCHECK: a first word, then JSON or a string."""
    first, *after = re.split(f"[{re.escape(SPACES)}]+", rest, maxsplit=1)
    command = json_or_string(after[0] if after else "", escape, name)
    return Arguments(words=(first, *command.words) if first else (), json=command.json)


def names_or_pairs(rest: str, escape: str, name: str) -> Arguments:
    """ARG: words that may be quoted; the quotes stay."""
    return Arguments(words=tuple(quoted_words(rest, escape)))


def pairs(rest: str, escape: str, name: str) -> Arguments:
    """ENV and LABEL: key, value and separator of each pair in turn; the separator is empty in the old `KEY value` form."""
    found = quoted_words(rest, escape)
    if not found:
        return Arguments()
    if "=" not in found[0]:
        key, *value = WHITESPACE.split(rest, maxsplit=1)
        if not value:
            raise Problem(f"{name} must have two arguments")
        return Arguments(words=(key, value[0], ""))
    result: list[str] = []
    for word in found:
        key, equals, text = word.partition("=")
        if not equals:
            raise Problem(f"{name} has no '=' in {word!r}: it must be name=value")
        result += [key, text, "="]
    return Arguments(words=tuple(result))


def quoted_words(text: str, escape: str) -> list[str]:
    """Words between whitespace; quotes and escapes hold them together and are kept."""
    found: list[str] = []
    current: list[str] = []
    quote, position = "", 0
    while position < len(text):
        char = text[position]
        position += 1
        if not quote and char in SPACES:
            found += ["".join(current)] if current else []
            current = []
        elif char == escape and quote != "'":
            if position < len(text):  # at the very end it is dropped
                current += [char, text[position]]
                position += 1
        else:
            current.append(char)
            quote = "" if char == quote else quote or (char if char in "'\"" else "")
    return found + (["".join(current)] if current else [])


def _json(rest: str) -> Arguments | None:
    array = _json_array(rest)
    if array is None:
        return None
    if not all(isinstance(item, str) for item in array):
        raise Problem("a JSON array of arguments has strings only")
    return Arguments(words=tuple(LONE_SURROGATES.sub("\ufffd", item) for item in array), json=True)


def _json_array(rest: str) -> list[Any] | None:
    text = rest.lstrip(SPACES)
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} isn't JSON")


def command(arguments: Arguments) -> tuple[str, ...]:
    """An argv (JSON) or one text for a shell, which may be empty."""
    return arguments.words if arguments.json else (" ".join(arguments.words),)


def as_pairs(arguments: Arguments, name: str) -> tuple[tuple[str, str], ...]:
    """What `pairs` found, as (key, value)."""
    keys, values = arguments.words[::3], arguments.words[1::3]
    if not keys:
        raise needs_some(name)
    if not all(keys):
        raise blank_name(name)
    return tuple(zip(keys, values, strict=True))
