"""USER: who runs what follows."""

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
class User:
    form: ClassVar[forms.Form] = staticmethod(forms.string)
    line: Line
    user: str

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> User:
        parse_flags(line.flags, {})
        if not arguments.words:
            raise needs_one(line.name)
        return cls(line=line, user=arguments.words[0])

    def apply(self, scope: Scope) -> Applied:
        user = scope.expand(self.line, self.user)
        return Applied(scope=scope.with_config(user=user), created_by=f"USER {user}")
