"""SHELL: what the shell forms of RUN, CMD and ENTRYPOINT are given to from here on."""

from __future__ import annotations

from typing import ClassVar

from builder.dockerfile import forms, gotext
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, needs_some
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    form: ClassVar[forms.Form] = staticmethod(forms.json_or_string)
    line: Line
    shell: tuple[str, ...]

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Shell:
        parse_flags(line.flags, {})
        if not arguments.words:
            raise needs_some(line.name)
        if not arguments.json:
            raise Problem("SHELL takes a JSON array only", hint='for example SHELL ["/bin/bash", "-c"]')
        return cls(line=line, shell=arguments.words)

    def apply(self, scope: Scope) -> Applied:
        return Applied(scope=scope.with_config(shell=self.shell), created_by=f"SHELL {gotext.plain_list(self.shell)}")
