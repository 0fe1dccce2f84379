"""CMD: the default command, or the default arguments of ENTRYPOINT."""

from __future__ import annotations

from typing import ClassVar

from builder.dockerfile import forms, gotext
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Cmd:
    form: ClassVar[forms.Form] = staticmethod(forms.json_or_string)
    line: Line
    command: tuple[str, ...]
    shell: bool

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Cmd:
        parse_flags(line.flags, {})
        return cls(line=line, command=forms.command(arguments), shell=not arguments.json)

    def apply(self, scope: Scope) -> Applied:
        cmd = (*scope.shell, *self.command) if self.shell else self.command
        scope = replace(scope.with_config(cmd=cmd, args_escaped=True), cmd_set=True)
        return Applied(scope=scope, created_by=f"CMD {gotext.quote_list(cmd)}")
