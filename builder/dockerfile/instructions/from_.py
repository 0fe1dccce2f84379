"""FROM: begins a stage; builder.plan finds its base, so there is nothing to apply."""

from __future__ import annotations

import re
from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import Kind, parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass

_NAME = re.compile(r"[a-z][a-z0-9\-_.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """`base` and `platform` (may be empty) may hold variables; `name` is lower case, empty without AS."""

    form: ClassVar[forms.Form] = staticmethod(forms.words)
    line: Line
    base: str
    name: str = ""
    platform: str = ""

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> From:
        words = arguments.words
        named = len(words) == 3 and words[1].lower() == "as"
        if len(words) != 1 and not named:
            raise Problem("FROM needs either one argument or three: FROM image [AS name]")
        name = words[2].lower() if named else ""
        if named and not _NAME.fullmatch(name):
            raise Problem(
                f"invalid name for a stage: {words[2]!r}",
                hint="it begins with a letter; letters, digits, '-', '_' and '.' follow",
            )
        flags = parse_flags(line.flags, {"platform": Kind.ONCE})
        return cls(line=line, base=words[0], name=name, platform=flags.text("platform"))

    def apply(self, scope: Scope) -> Applied:
        raise self.line.error("FROM begins a stage and can't stand inside of one")
