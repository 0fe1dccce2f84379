"""WORKDIR: the current directory of what follows, made if missing."""

from __future__ import annotations

import posixpath
from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.flags import parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import needs_one
from builder.dockerfile.scope import Applied, Scope
from builder.matcher import clean
from builder.ops import MakeDir
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir:
    form: ClassVar[forms.Form] = staticmethod(forms.string)
    line: Line
    path: str

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Workdir:
        parse_flags(line.flags, {})
        if not arguments.words:
            raise needs_one(line.name)
        return cls(line=line, path=arguments.words[0])

    def apply(self, scope: Scope) -> Applied:
        """An absolute path stays verbatim, a relative one is joined, an empty one changes nothing (system.NormalizeWorkdir)."""
        path = scope.expand(self.line, self.path)
        if not path:
            path = scope.working_dir
        elif not path.startswith("/"):
            path = clean(posixpath.join("/", scope.working_dir, path))
        made = clean(path)
        op = MakeDir(path=made, user=scope.config.user, location=self.line.location) if made != "/" else None
        return Applied(scope=scope.with_config(working_dir=path), op=op, created_by=f"WORKDIR {path}")
