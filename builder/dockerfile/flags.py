"""`--flags` of instructions (moby/buildkit frontend/dockerfile/parser/split_command.go and instructions/bflag.go)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from builder.dockerfile.gotext import SPACES
from builder.dockerfile.problem import Problem, suggest
from builder.values import dataclass, field


class Kind(Enum):
    BOOLEAN = "boolean"
    ONCE = "once"
    LIST = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The flags an instruction was given; each has at least one value."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The value, or an empty string if the flag isn't there."""
        return self.values.get(name, ("",))[0]

    def texts(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())

    def truth(self, name: str) -> bool | None:
        """None if the flag isn't there."""
        return self.text(name) == "true" if name in self.values else None


def split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The leading `--words`, quotes and escapes processed, and the rest of the line; a lone `--` ends them."""
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in SPACES:
            position += 1
        if not text.startswith("--", position):
            return tuple(flags), text[position:]
        word, position = _word(text, position, escape)
        if word == "--":
            return tuple(flags), text[position:]
        flags.append(word)


def _word(text: str, position: int, escape: str) -> tuple[str, int]:
    """The word at `position` and where it ends; a quote that isn't closed runs to the end."""
    word: list[str] = []
    quote = ""
    while position < len(text):
        char = text[position]
        if not quote and char in SPACES:
            break
        position += 1
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == escape:
            word.append(text[position : position + 1])
            position += 1
        else:
            word.append(char)
    return "".join(word), min(position, len(text))


def parse_flags(words: tuple[str, ...], known: Mapping[str, Kind]) -> Flags:
    """Check `words` against the flags an instruction knows; raises Problem."""
    values: dict[str, tuple[str, ...]] = {}
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        kind = known.get(name)
        if kind is None:
            raise Problem(f"unknown flag {f'--{name}'!r}", hint=suggest(f"--{name}", [f"--{flag}" for flag in known]))
        if name in values and kind is not Kind.LIST:
            raise Problem(f"flag {f'--{name}'!r} is given twice")
        values[name] = (*values.get(name, ()), _value(name, kind, value, has_value=bool(equals)))
    return Flags(values=values)


def _value(name: str, kind: Kind, value: str, *, has_value: bool) -> str:
    if kind is Kind.BOOLEAN and not has_value:
        return "true"
    if not has_value or (kind is Kind.BOOLEAN and not value):
        raise Problem(f"flag {f'--{name}'!r} needs a value", hint=f"write it as --{name}=…")
    if kind is Kind.BOOLEAN and value.lower() not in ("true", "false"):
        raise Problem(f"flag {f'--{name}'!r} is true or false, not {value!r}")
    return value.lower() if kind is Kind.BOOLEAN else value
