"""VOLUME: mount points the runtime gives a volume; during the build they are plain directories."""

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
class Volume:
    form: ClassVar[forms.Form] = staticmethod(forms.json_or_words)
    line: Line
    paths: tuple[str, ...]

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Volume:
        if not arguments.words:
            raise needs_some(line.name)
        parse_flags(line.flags, {})
        return cls(line=line, paths=tuple(_checked(word.strip(gotext.SPACES)) for word in arguments.words))

    def apply(self, scope: Scope) -> Applied:
        paths = [_checked(scope.expand(self.line, path)) for path in self.paths]
        volumes = tuple(sorted({*scope.config.volumes, *paths}))
        return Applied(scope=scope.with_config(volumes=volumes), created_by=f"VOLUME {gotext.plain_list(paths)}")


def _checked(path: str) -> str:
    if not path:
        raise Problem("VOLUME has an empty path")
    return path
