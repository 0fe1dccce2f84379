"""What becomes of a flag of Kaniko's, by the options table: it stays, has another name now, isn't needed, or isn't known."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from builder.flags import flag_of, is_bool, option_of
from builder.options import BuildOptions, CommonOptions, KanikoOptions, RegistryFlags, WarmerOptions
from builder.values import Field, dataclass, fields

_DEPRECATED = frozenset({"customPlatform", "snapshotMode", "tarPath", "whitelist-var-run"})
"""Kaniko's own old spellings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`name` is what to write for the flag, "" if it is to be dropped; `word` what is said of it, "" if nothing need be."""

    name: str
    word: str = ""
    to_do: bool = False
    takes_word: bool = False
    """Whether the next word is its value, unless it has one after a `=`."""


def verdict(flag: str, *, of_warmer: bool) -> Verdict:
    """Of `--name` or `-n`, without a value."""
    row = _rows(of_warmer).get(flag)
    if row is None:
        return Verdict(name=flag, word=f"masu has no flag {flag}: look for it in `masu help build`", to_do=True)
    known, takes_word = flag_of(row), not is_bool(row)
    if known.told and not any(value is True for value in known.warns):
        return Verdict(name="", word=f"{flag} is dropped: {known.told}", takes_word=takes_word)
    if known.told:
        return Verdict(name=flag, word=f"{flag} does nothing: {known.told}", to_do=True, takes_word=takes_word)
    name = option_of(row) if flag.lstrip("-") in _DEPRECATED else flag
    said = [f"{flag} is {name} now"] if name != flag else []
    how, _, reason = known.kaniko.partition(": ")
    said += [f"{name} differs from Kaniko's: {reason}"] if how == "different" else []
    return Verdict(name=name, word="; ".join(said), takes_word=takes_word)


@cache
def _rows(of_warmer: bool) -> Mapping[str, Field[Any]]:
    own = (WarmerOptions,) if of_warmer else (BuildOptions, KanikoOptions)
    rows: dict[str, Field[Any]] = {}
    for row in (row for table in (*own, RegistryFlags, CommonOptions) for row in fields(table)):
        flag = flag_of(row)
        rows |= (
            {option_of(row): row}
            | {f"--{alias}": row for alias in flag.aliases}
            | ({f"-{flag.short}": row} if flag.short else {})
        )
    return rows
