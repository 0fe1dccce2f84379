"""ONBUILD: an instruction for those who build on this image."""

from __future__ import annotations

import re
from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, needs_some
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass

_KEYWORD = re.compile(r"\s*ONBUILD\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBuild:
    """`trigger` is the instruction behind the keyword, `expression` its text with the bodies of its heredocs."""

    form: ClassVar[forms.Form] = staticmethod(forms.string)
    line: Line
    trigger: Line
    expression: str

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> OnBuild:
        if not arguments.words:
            raise needs_some(line.name)
        parse_flags(line.flags, {})
        trigger = line.nested()
        if trigger.keyword == "onbuild":
            raise Problem("ONBUILD can't be the trigger of an ONBUILD")
        if trigger.keyword in ("from", "maintainer"):
            raise Problem(f"{trigger.name} can't be an ONBUILD trigger")
        bodies = "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in line.heredocs)
        return cls(line=line, trigger=trigger, expression=_KEYWORD.sub("", line.text, count=1) + bodies)

    def apply(self, scope: Scope) -> Applied:
        """No history: it changes nothing about this image."""
        return Applied(scope=scope.with_config(on_build=(*scope.config.on_build, self.expression)))
