"""LABEL: metadata of the image."""

from __future__ import annotations

from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    form: ClassVar[forms.Form] = staticmethod(forms.pairs)
    line: Line
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Label:
        parse_flags(line.flags, {})
        return cls(line=line, pairs=forms.as_pairs(arguments, line.name))

    def apply(self, scope: Scope) -> Applied:
        pairs = [(scope.expand(self.line, key), scope.expand(self.line, value)) for key, value in self.pairs]
        created_by = " ".join(["LABEL", *(f"{key}={value}" for key, value in pairs)])
        return Applied(scope=scope.with_config(labels={**scope.config.labels, **dict(pairs)}), created_by=created_by)
