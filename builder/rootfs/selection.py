"""What COPY takes of a directory: `--parents` says which paths, `--exclude` which not (tonistiigi/fsutil, copy/copy.go)."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping

from builder.matcher import Matcher
from builder.rootfs import paths
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Paths are relative to the directory that is copied. `includes` None: everything that isn't excluded."""

    includes: Matcher | None = None
    excludes: Matcher

    @property
    def is_everything(self) -> bool:
        return self.includes is None and not self.excludes.patterns

    def takes(self, path: str) -> bool:
        """Whether `path` itself is taken; what is below a directory is judged by itself."""
        return (self.includes is None or self.includes.matches(path)) and not self.excludes.matches(path)

    def may_take_below(self, directory: str) -> bool:
        """Whether something below may be taken, so that it must be looked at; in doubt it may."""
        if self.excludes.matches(directory) and not self.excludes.may_spare_below(directory):
            return False
        includes = self.includes
        return includes is None or includes.matches(directory) or includes.may_match_below(directory)


def chosen(source_fd: int, directory: str, selection: Selection, *, exists: Callable[[str], bool]) -> Mapping[str, bool]:
    """The paths to copy, relative to `directory` (a path without links) → False for one that is only on the way to another."""
    found: dict[str, bool] = {}
    pending = [""]
    while pending:
        parent = pending.pop()
        with paths.opened(paths.open_strict(source_fd, _below(directory, parent))) as fd:
            for name in os.listdir(fd):
                path = paths.join(parent, name)
                if not exists(_below(directory, path)):
                    continue
                if selection.takes(path):
                    _add(path, found)
                if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode) and selection.may_take_below(path):
                    pending.append(path)
    return found


def _below(directory: str, path: str) -> str:
    return paths.join(directory, path) if path else directory


def _add(path: str, found: dict[str, bool]) -> None:
    found[path] = True
    parent = paths.split(path)[0]
    while parent and parent not in found:
        found[parent] = False
        parent = paths.split(parent)[0]
