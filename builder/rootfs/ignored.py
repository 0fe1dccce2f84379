"""--ignore-path: changes that no layer gets. A path means itself and all below it; its names may have COPY's wildcards."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Self

from builder.errors import ContextError, UsageError
from builder.rootfs.tree import Changes
from builder.rootfs.wildcards import compile_component
from builder.values import dataclass, replace

_Pattern = tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class IgnoredPaths:
    patterns: tuple[_Pattern, ...] = ()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Raises UsageError for a wildcard that is malformed, or a path that means everything."""
        return cls(tuple(_compiled(text) for text in texts))

    def without(self, changes: Changes) -> Changes:
        """Those of the changes that a layer gets."""
        if not self.patterns:
            return changes
        written = tuple(path for path in changes.written if not self._covers(path))
        return replace(changes, written=written, deleted=tuple(path for path in changes.deleted if not self._covers(path)))

    def _covers(self, path: str) -> bool:
        names = path.split("/")
        return any(
            len(pattern) <= len(names) and all(part.fullmatch(name) for part, name in zip(pattern, names, strict=False))
            for pattern in self.patterns
        )


def _compiled(text: str) -> _Pattern:
    names = [name for name in text.split("/") if name not in ("", ".")]
    if not names or ".." in names:
        raise UsageError(f"invalid --ignore-path {text!r}", hint="give the path of a file or directory in the image: /var/cache")
    try:
        return tuple(compile_component(name) for name in names)
    except ContextError as error:
        raise UsageError(f"invalid --ignore-path {text!r}: {error.message}") from error
