"""The options table as an argparse parser, with pflag's rules: what Kaniko's users write in their CI files works as it is.

A boolean is `--flag` or `--flag=true|false`, never two words; of a repeated single flag the last counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import Field, fields
from typing import Any, NoReturn, TypeVar

from builder import govalues
from builder.errors import UsageError
from builder.options import Flag

Table = TypeVar("Table")

_NEGATION = "--@not-"  # argparse's own spelling of `--flag=false`, which no user can mean


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and exit; takes no abbreviations."""

    def __init__(self, **details: Any) -> None:
        super().__init__(allow_abbrev=False, **details)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see {self.prog} --help")


def add_flags(parser: argparse.ArgumentParser, table: type) -> None:
    """Add every row of `table`, a dataclass of options.py."""
    for row in fields(table):
        flag = flag_of(row)
        short = [f"-{flag.short}"] if flag.short else []
        spellings = [*short, option_of(row)]
        parser.add_argument(*spellings, dest=row.name, help=_help(row), **_details(row))
        for alias in flag.aliases:
            parser.add_argument(f"--{alias}", dest=row.name, help=argparse.SUPPRESS, **_details(row))
        if is_bool(row):
            negations = [_NEGATION + name for name in (option_of(row)[2:], *flag.aliases)]
            parser.add_argument(*negations, dest=row.name, help=argparse.SUPPRESS, action="store_false", default=None)


def read(table: type[Table], namespace: argparse.Namespace, env: Mapping[str, str]) -> Table:
    """The options as one value: what the command line says, else what the row's variable in `env` says, else the default."""
    values: dict[str, Any] = {}
    for row in fields(table):  # type: ignore[arg-type]
        value = getattr(namespace, row.name, None)
        variable = flag_of(row).env
        if value is not None:
            values[row.name] = tuple(value) if isinstance(value, list) else value
        elif variable in env:
            values[row.name] = parse_bool(env[variable], variable) if is_bool(row) else env[variable]
    return table(**values)


def split_booleans(arguments: Sequence[str], tables: Sequence[type]) -> list[str]:
    """`--flag=true` and `--flag=false` as argparse takes them; what follows `--` is left alone."""
    rows = [row for table in tables for row in fields(table) if is_bool(row)]
    names = {name: flag_of(row).else_to for row in rows for name in (option_of(row)[2:], *flag_of(row).aliases)}
    result: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[position:]]
        name, equals, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and equals and names.get(name) and not govalues.is_bool(value):
            result += [f"--{names[name]}={part}" for part in value.split(",")]
        elif argument.startswith("--") and equals and name in names:
            result.append(f"--{name}" if parse_bool(value, f"--{name}") else _NEGATION + name)
        else:
            result.append(argument)
    return result


def parse_bool(text: str, where: str) -> bool:
    """As Go's ParseBool; raises UsageError on anything else."""
    try:
        return govalues.parse_bool(text)
    except ValueError as error:
        raise UsageError(f"invalid boolean {text!r} for {where}", hint="write true or false") from error


def flag_of(row: Field[Any]) -> Flag:
    flag: Flag = row.metadata["flag"]
    return flag


def option_of(row: Field[Any]) -> str:
    return "--" + row.name.replace("_", "-")


def is_bool(row: Field[Any]) -> bool:
    return isinstance(row.default, bool)


def _details(row: Field[Any]) -> dict[str, Any]:
    """The default is always None here, so that `read` can tell what was given."""
    flag = flag_of(row)
    if is_bool(row):
        return {"action": "store_true", "default": None}
    details: dict[str, Any] = {"metavar": flag.metavar or None, "choices": flag.choices or None, "default": None}
    if isinstance(row.default, tuple):
        details["action"] = "append"
    return details


def _help(row: Field[Any]) -> str:
    flag = flag_of(row)
    default = f" (default {row.default})" if isinstance(row.default, str) and row.default else ""
    variable = f" [${flag.env}]" if flag.env else ""
    return f"{flag.help}{default}{variable}".replace("%", "%%")
