"""ENV: environment of the image and of what follows."""

from __future__ import annotations

from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import blank_name
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """`pairs` are as written; all of them are expanded with the environment before this line."""

    form: ClassVar[forms.Form] = staticmethod(forms.pairs)
    line: Line
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Env:
        parse_flags(line.flags, {})
        return cls(line=line, pairs=forms.as_pairs(arguments, line.name))

    def apply(self, scope: Scope) -> Applied:
        pairs = [(scope.expand(self.line, key), scope.expand(self.line, value)) for key, value in self.pairs]
        for key, _ in pairs:
            if not key:
                raise blank_name(self.line.name)
        return Applied(scope=scope.with_env(pairs), created_by=" ".join(["ENV", *(f"{key}={value}" for key, value in pairs)]))
