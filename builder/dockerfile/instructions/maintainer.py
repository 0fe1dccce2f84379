"""MAINTAINER: the image's author (deprecated, but in use)."""

from __future__ import annotations

from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import needs_one
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer:
    form: ClassVar[forms.Form] = staticmethod(forms.string)
    line: Line
    author: str

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Maintainer:
        if not arguments.words:
            raise needs_one(line.name)
        parse_flags(line.flags, {})
        return cls(line=line, author=arguments.words[0])

    def apply(self, scope: Scope) -> Applied:
        return Applied(scope=scope.with_config(author=self.author), created_by=f"MAINTAINER {self.author}")
