"""The changes of several ops as one, for a stage that makes a single layer."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from builder.rootfs import paths
from builder.rootfs.tree import Changes

Lookup = Callable[[str], int | None]
"""Path without links → the type bits of what is there, None for nothing."""


class Combined:
    """Of the tree at `root`; `before` tells what was there when it was as it is to be compared with."""

    def __init__(self, root: Path, before: Lookup) -> None:
        self._root = root
        self._before = before
        self._written: set[str] = set()
        self._gone: set[str] = set()  # what was once deleted, or was a directory and is something else

    def add(self, changes: Changes) -> None:
        """What one more op has changed, asked for before the next one begins."""
        self._written.update(changes.written)
        self._gone.update(changes.deleted)
        replaced = [path for path in changes.written if _is_directory(self._before(path))]
        self._gone.update(path for path, now in self._look(replaced) if not _is_directory(now))

    def changes(self) -> Changes:
        """What leads from the tree as it was to the tree as it is."""
        written = [path for path, now in self._look(self._written) if now is not None]
        hidden, deleted = set(), []
        for path, now in self._look(path for path in self._gone if self._before(path) is not None):
            if _is_directory(now) and _is_directory(self._before(path)):
                hidden.add(path)
            elif now is None or stat.S_ISSOCK(now):
                deleted.append(path)
        parents = dict(self._look({paths.split(path)[0] for path in deleted}))
        deleted = [path for path in deleted if _is_directory(parents[paths.split(path)[0]]) and not _is_below(path, hidden)]
        opaque = [f"{path}/" for path in hidden if not _is_below(path, hidden)]
        return Changes(written=tuple(sorted(written)), deleted=tuple(sorted([*deleted, *opaque])))

    def _look(self, wanted: Collection[str] | Iterator[str]) -> Iterator[tuple[str, int | None]]:
        """Each path and what is there now."""
        parent, parent_fd = "", -1
        with paths.opened_root(self._root) as root_fd:
            try:
                for path in sorted(wanted):
                    directory, name = paths.split(path)
                    if parent_fd < 0 or directory != parent:
                        fd, parent = _opened(root_fd, directory), directory
                        parent_fd = _swapped(parent_fd, fd)
                    yield path, _type(name or ".", parent_fd) if parent_fd >= 0 else None
            finally:
                _swapped(parent_fd, -1)


def look_up(root: Path, path: str) -> int | None:
    """A Lookup in the tree at `root`, once the first argument is given."""
    directory, name = paths.split(path)
    with paths.opened_root(root) as root_fd:
        fd = _opened(root_fd, directory)
        try:
            return _type(name or ".", fd) if fd >= 0 else None
        finally:
            _swapped(fd, -1)


def _opened(root_fd: int, directory: str) -> int:
    """A descriptor, -1 if it is no directory, or lies behind a link."""
    try:
        return paths.open_strict(root_fd, directory)
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _swapped(old: int, new: int) -> int:
    if old >= 0:
        os.close(old)
    return new


def _type(name: str, dir_fd: int) -> int | None:
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def _is_directory(mode: int | None) -> bool:
    return mode is not None and stat.S_ISDIR(mode)


def _is_below(path: str, directories: Collection[str]) -> bool:
    parent = paths.split(path)[0]
    while parent:
        if parent in directories:
            return True
        parent = paths.split(parent)[0]
    return False
