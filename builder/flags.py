"""The options table as an argparse parser, with pflag's rules: what Kaniko's users write in their CI files works as it is.

A boolean is `--flag` or `--flag=true|false`, never two words; of a repeated single flag the last counts. A value may begin with a
dash, unless it is a flag itself: then the flag before it has none.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NoReturn, TypeVar

from builder import govalues
from builder.errors import UsageError
from builder.options import Flag
from builder.values import Field, fields

Table = TypeVar("Table")
_T = TypeVar("_T")

_NEGATION = "--@not-"  # argparse's own spelling of `--flag=false`, which no user can mean


class Parser(argparse.ArgumentParser):
    """Raises UsageError where argparse would print and exit; takes no abbreviations."""

    def __init__(self, **details: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=partial(argparse.HelpFormatter, width=80), **details)

    def format_help(self) -> str:
        self.formatter_class = argparse.HelpFormatter  # as wide as the terminal, which takes modules that nothing else needs
        return super().format_help()

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but with pflag's word for what it doesn't know."""
        known, others = self.parse_known_args(args, namespace)
        if others and not others[0].startswith("-"):
            self.error(f"unknown argument {others[0]!r}")
        if others:
            self._unknown(others[0].partition("=")[0])
        return known

    def _unknown(self, flag: str) -> NoReturn:
        import difflib  # only for an error

        known = [name for action in self._actions for name in action.option_strings if not name.startswith(_NEGATION)]
        similar = difflib.get_close_matches(flag, known, n=1, cutoff=0.75)
        hint = f"did you mean {similar[0]}?" if similar else f"see {self.prog} --help"
        raise UsageError(f"unknown flag: {flag}", hint=hint)

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
    """The options as one value: what the command line says, else what the row's variable in `env` says, else the default.

    Of a flag that repeats the variable's value comes after those of the command line. Raises UsageError.
    """
    values: dict[str, Any] = {}
    for row in fields(table):  # type: ignore[arg-type]
        value = getattr(namespace, row.name, None)
        variable = flag_of(row).env
        from_env = env.get(variable) or None if variable else None
        if isinstance(row.default, tuple):
            values[row.name] = (*(value or ()), *([from_env] if from_env else ())) or row.default
        elif value is not None:
            values[row.name] = _value(row, value, option_of(row))
        elif from_env is not None:
            values[row.name] = _value(row, from_env, variable)
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
        elif argument in ("true", "false") and result and result[-1][2:] in names and result[-1].startswith("--"):
            raise UsageError(f'unknown command "{argument}" after {result[-1]}', hint=f"write {result[-1]}={argument}")
        elif argument.startswith("--") and equals and name in names:
            result.append(f"--{name}" if parse_bool(value, f"--{name}") else _NEGATION + name)
        else:
            result.append(argument)
    return result


def attach_values(arguments: Sequence[str], tables: Sequence[type]) -> list[str]:
    """`--flag -value` as `--flag=-value`, since argparse takes no separate value that begins with a dash."""
    rows = [row for table in tables for row in fields(table)]
    known = {"-h", "--help", "--", *(spelling for row in rows for spelling in spellings_of(row))}
    with_value = {spelling for row in rows if not is_bool(row) for spelling in spellings_of(row)}
    result: list[str] = []
    waits = False
    for position, argument in enumerate(arguments):
        if argument == "--":
            return [*result, *arguments[position:]]
        if waits and argument.startswith("-") and argument.partition("=")[0] not in known:
            result[-1] += f"={argument}"
            waits = False
        else:
            result.append(argument)
            waits = not waits and argument in with_value
    return result


def _value(row: Field[Any], given: Any, where: str) -> Any:
    """What argparse or a variable gave, as the type of the row."""
    if not isinstance(given, str):
        return given
    if is_bool(row):
        return parse_bool(given, where)
    if isinstance(row.default, int):
        return _converted(govalues.parse_int, given, where, hint="give a whole number")
    if isinstance(row.default, timedelta):
        return _converted(govalues.parse_duration, given, where, hint="give a duration with its unit: 336h, 90m, 1h30m")
    flag = flag_of(row)
    chosen = given.lower() if flag.any_case else given
    if flag.choices and chosen not in flag.choices:
        raise UsageError(f"invalid argument {given!r} for {where}", hint=f"choose from {', '.join(filter(None, flag.choices))}")
    return chosen


def parse_bool(text: str, where: str) -> bool:
    """As Go's ParseBool; raises UsageError on anything else."""
    return _converted(govalues.parse_bool, text, where, hint="write true or false")


def _converted(convert: Callable[[str], _T], text: str, where: str, *, hint: str) -> _T:
    try:
        return convert(text)
    except ValueError as error:
        raise UsageError(f"invalid argument {text!r} for {where}", hint=hint) from error


def flag_of(row: Field[Any]) -> Flag:
    flag: Flag = row.metadata["flag"]
    return flag


def option_of(row: Field[Any]) -> str:
    return "--" + row.name.replace("_", "-")


def spellings_of(row: Field[Any]) -> tuple[str, ...]:
    """All that may be written for it, with their dashes."""
    flag = flag_of(row)
    return (*([f"-{flag.short}"] if flag.short else []), option_of(row), *(f"--{alias}" for alias in flag.aliases))


def is_bool(row: Field[Any]) -> bool:
    return isinstance(row.default, bool)


def _details(row: Field[Any]) -> dict[str, Any]:
    """The default is always None here, so that `read` can tell what was given."""
    flag = flag_of(row)
    if is_bool(row):
        return {"action": "store_true", "default": None}
    metavar = flag.metavar or ("{" + ",".join(flag.choices) + "}" if flag.choices else None)
    details: dict[str, Any] = {"metavar": metavar, "default": None}
    if isinstance(row.default, tuple):
        details["action"] = "append"
    return details


def _help(row: Field[Any]) -> str:
    flag = flag_of(row)
    if flag.hidden:
        return argparse.SUPPRESS
    variable = f" [${flag.env}]" if flag.env else ""
    return f"{flag.help}{_default(row)}{variable}".replace("%", "%%")


def _default(row: Field[Any]) -> str:
    text = default_of(row)
    return f" (default {text})" if text else ""


def default_of(row: Field[Any]) -> str:
    """The default as the help shows it; empty where there is nothing to show."""
    default = row.default
    if default is True:
        return "true"
    if isinstance(default, timedelta):
        return f"{default // timedelta(hours=1)}h"
    if isinstance(default, bool | tuple):
        return ""
    return str(default)
