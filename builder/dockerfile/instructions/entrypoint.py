"""ENTRYPOINT: the program of the image; an inherited CMD was meant for another one and goes."""

from __future__ import annotations

from typing import ClassVar

from builder.dockerfile import forms, gotext
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrypoint:
    form: ClassVar[forms.Form] = staticmethod(forms.json_or_string)
    line: Line
    command: tuple[str, ...]
    shell: bool

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Entrypoint:
        parse_flags(line.flags, {})
        return cls(line=line, command=forms.command(arguments), shell=not arguments.json)

    def apply(self, scope: Scope) -> Applied:
        entrypoint = (*scope.shell, *self.command) if self.shell else self.command
        scope = scope.with_config(entrypoint=entrypoint or None, cmd=scope.config.cmd if scope.cmd_set else None)
        return Applied(scope=scope, created_by=f"ENTRYPOINT {gotext.quote_list(entrypoint)}")
