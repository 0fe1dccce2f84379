"""COPY: files from the build context, a stage or an image."""

from __future__ import annotations

from typing import ClassVar

from builder import ops
from builder.dockerfile import forms, sources
from builder.dockerfile.flags import Flags, Kind, parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, needs_destination
from builder.dockerfile.scope import Applied, Scope
from builder.dockerfile.sources import Sources
from builder.values import dataclass

_FLAGS = {
    "from": Kind.ONCE,
    "chown": Kind.ONCE,
    "chmod": Kind.ONCE,
    "link": Kind.BOOLEAN,
    "parents": Kind.BOOLEAN,
    "exclude": Kind.LIST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """`source` is what `--from` says, empty for the build context."""

    form: ClassVar[forms.Form] = staticmethod(forms.json_or_words)
    line: Line
    files: Sources
    source: str = ""
    flags: Flags

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Copy:
        if len(arguments.words) < 2:
            raise needs_destination(line.name)
        flags = parse_flags(line.flags, _FLAGS)
        files = Sources.parse(line, arguments, flags)
        return cls(line=line, files=files, source=flags.text("from"), flags=flags)

    def apply(self, scope: Scope) -> Applied:
        files = self.files.expand(self.line, scope)
        for path in files.paths:
            if sources.remote(path):
                raise Problem(f"COPY can't take {path!r}, which is not a local file", hint="ADD can")
        source: ops.CopyFrom = scope.find_source(self.line, self.source) if self.source else ops.FromContext()
        return sources.applied(self.line, files, scope, source=source, unpack=False)
