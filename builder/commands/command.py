"""What a row of the table of commands is, what its function gets, and the parser that is made from it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence

from builder import flags
from builder.decoration import Bare, Decoration
from builder.values import dataclass, field, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """A positional argument; `count` is argparse's nargs: None for exactly one, `?`, `*`, `+`, or `...` for all that is left."""

    name: str
    help: str
    count: str | None = None

    @property
    def usage(self) -> str:
        several = f"{self.name}..."
        return {"?": f"[{self.name}]", "*": f"[{several}]", "...": f"[{several}]", "+": several}.get(self.count or "", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command line that was read: its options by their table, its arguments by their name in the row.

    `decoration` is what a platform wants in the log of a build, `commands` all that there are.
    """

    env: Mapping[str, str]
    parsed: argparse.Namespace
    decoration: Decoration = field(default_factory=Bare)
    commands: Mapping[str, Command] = field(default_factory=dict)

    def options(self, table: type[flags.Table]) -> flags.Table:
        """The values of one of the row's tables. Raises UsageError."""
        return flags.read(table, self.parsed, self.env)

    def word(self, name: str) -> str:
        """An argument that may be there once; empty when it isn't."""
        value = getattr(self.parsed, name)
        return "" if value is None else str(value)

    def words(self, name: str) -> tuple[str, ...]:
        """An argument that may be there several times."""
        return tuple(getattr(self.parsed, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`run` carries it out and returns the exit code; an expected failure is a BuilderError."""

    help: str
    tables: tuple[type, ...]
    run: Callable[[Call], int]
    arguments: tuple[Argument, ...] = ()


def own_words(words: Sequence[str], command: Command) -> int:
    """How many of the words are masu's own: all, or those before what a row's `...` takes as it is, options too."""
    if not any(argument.count == "..." for argument in command.arguments):
        return words.index("--") if "--" in words else len(words)
    rows = (row for table in command.tables for row in fields(table) if flags.is_bool(row))
    alone = {"--help", "-h", *(spelling for row in rows for spelling in flags.spellings_of(row))}
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] not in ("-", "--"):
        has_value = "=" in words[position] or words[position] in alone or _is_attached(words[position])
        position += 1 if has_value else 2
    return min(position, len(words))


def _is_attached(word: str) -> bool:
    """`-eKEY` and `-vdebug` have their value in them."""
    return not word.startswith("--") and len(word) > 2


def parser_of(name: str, command: Command) -> flags.Parser:
    """What reads the words after `masu NAME`, and prints its help."""
    options = ["[OPTIONS]"] if command.tables else []
    usage = " ".join(["masu", name, *options, *(argument.usage for argument in command.arguments)])
    parser = flags.Parser(prog=f"masu {name}", usage=usage, description=command.help)
    for argument in command.arguments:
        action = parser.add_argument(argument.name.lower(), metavar=argument.name, nargs=argument.count, help=argument.help)
        action.required = argument.count in (None, "+")  # argparse names `...` among those that are missing
    for table in command.tables:
        flags.add_flags(parser, table)
    return parser
