"""ADD: COPY that also unpacks local archives and fetches URLs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from builder import ops
from builder.dockerfile import forms, sources
from builder.dockerfile.flags import Flags, Kind, parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import needs_destination, not_built
from builder.dockerfile.scope import Applied, Scope
from builder.dockerfile.sources import Sources

_FLAGS = {
    "chown": Kind.ONCE,
    "chmod": Kind.ONCE,
    "link": Kind.BOOLEAN,
    "keep-git-dir": Kind.BOOLEAN,
    "checksum": Kind.ONCE,
    "unpack": Kind.BOOLEAN,
    "exclude": Kind.LIST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    form: ClassVar[forms.Form] = staticmethod(forms.json_or_words)
    line: Line
    files: Sources
    flags: Flags

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Add:
        if len(arguments.words) < 2:
            raise needs_destination(line.name)
        flags = parse_flags(line.flags, _FLAGS)
        files = Sources.parse(line, arguments, flags)
        return cls(line=line, files=files, flags=flags)

    def apply(self, scope: Scope) -> Applied:
        files = self.files.expand(self.line, scope)
        self._refuse_unbuilt(files)
        return sources.applied(self.line, files, scope, source=ops.FromContext(), unpack=True)

    def _refuse_unbuilt(self, files: Sources) -> None:
        sources.refuse_unbuilt(self.line, files, self.flags)
        for flag in ("keep-git-dir", "checksum", "unpack"):
            if flag in self.flags.values:
                raise not_built(f"ADD --{flag}")
        for path in files.paths:
            if sources.is_remote(path):
                raise not_built(f"ADD of {'a git repository' if sources.is_git(path) else 'a URL'} ({path})")
