"""Moving directories out of a tree that nobody will read again, for a COPY that would have copied them: one rename(2) for all.

Moved is only what a copy would be like. What copying changes isn't: sockets become files, files with names outside of the
directory files of their own, attributes that layers don't keep get lost (copy_tree.py).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from builder.errors import RootfsError
from builder.rootfs import paths
from builder.rootfs.owner import keeps_xattr, list_xattrs

_OPAQUE, _REDIRECT = "trusted.overlay.opaque", "trusted.overlay.redirect"
_LABEL = "security.selinux"  # the same for all trees here


class _Found(NamedTuple):
    """What is in a directory: paths relative to it, and those of the directories that are marked as hiding others."""

    names: list[str]
    opaque: list[str]


class _Move(NamedTuple):
    root: Path
    source: str
    target: str
    opaque: list[str]


class Taking:
    """What one COPY takes.

    `place` tells which directory on disk has all that the source's directory of a path has, None if there is none; `release` is
    called before that is touched.
    """

    def __init__(self, place: Callable[[str], Path | None], release: Callable[[], None]) -> None:
        self._place = place
        self._release = release
        self._moves: list[_Move] = []
        self.names: set[str] = set()
        """The paths that there will be below those that `take` has been asked for."""

    def take(self, source: str, target: str) -> bool:
        """Whether the directory `source` will be moved to `target`, where a new, empty one is now; False if it must be copied."""
        root = self._place(source)
        found = None if root is None else _movable(root, source)
        if root is None or found is None:
            return False
        self._moves.append(_Move(root, source, target, found.opaque))
        self.names.update(paths.join(target, name) for name in found.names)
        return True

    def finish(self, root: Path) -> None:
        """Move everything to its place below `root`, where nothing is mounted any more. Raises RootfsError."""
        self._release()
        for move in self._moves:
            try:
                _rename(move, root)
            except OSError as error:
                raise RootfsError(f"can't move {'/' + move.source!r} to {'/' + move.target!r}: {error.strerror}") from error

    def __bool__(self) -> bool:
        return bool(self._moves)


def lone(lowers: Sequence[Path], path: str) -> Path | None:
    """The one of these directories, which overlayfs lays over one another (topmost first), that alone has the directory `path`.

    None if others have something in it as well, or what is in it came from another path.
    """
    found = None
    for lower in lowers:
        with paths.opened_root(lower) as fd:
            layer = _look(fd, path)
        if layer.there and (found is not None or layer.is_redirected):
            return None
        found = lower if layer.there else found
        if layer.hides:
            break
    return found


class _Layer(NamedTuple):
    """What one of those has of a directory; `hides`: what those below it have there is not to be seen."""

    there: bool
    hides: bool
    is_redirected: bool = False


def _look(root_fd: int, path: str) -> _Layer:
    fd, hides, is_redirected = os.dup(root_fd), False, False
    try:
        for name in path.split("/"):
            try:
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                return _Layer(there=is_redirected, hides=hides, is_redirected=is_redirected)
            if not stat.S_ISDIR(status.st_mode):
                return _Layer(there=is_redirected, hides=True, is_redirected=is_redirected)
            deeper = paths.open_known(fd, name)
            os.close(fd)
            fd = deeper
            attributes = list_xattrs(fd)
            is_redirected |= _REDIRECT in attributes
            hides |= _OPAQUE in attributes and os.getxattr(fd, _OPAQUE) == b"y"
        return _Layer(there=True, hides=hides, is_redirected=is_redirected)
    finally:
        os.close(fd)


def _movable(root: Path, source: str) -> _Found | None:
    """What is in the directory; None if a copy would be something else.

    Files whose content is in a lower layer have attributes of overlayfs's.
    """
    found, pending = _Found([], []), [""]
    with paths.opened_root(root) as root_fd:
        while pending:
            directory = pending.pop()
            with paths.opened(paths.open_strict(root_fd, paths.join(source, directory) if directory else source)) as fd:
                attributes = list_xattrs(fd)
                if not _keeps(name for name in attributes if name != _OPAQUE):
                    return None
                if _OPAQUE in attributes:
                    found.opaque.append(directory)
                with os.scandir(fd) as entries:
                    for entry in entries:
                        path = paths.join(directory, entry.name)
                        found.names.append(path)
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(path)
                        elif not _is_copied_as_it_is(entry, fd):
                            return None
    return found


def _is_copied_as_it_is(entry: os.DirEntry[str], dir_fd: int) -> bool:
    status = entry.stat(follow_symlinks=False)
    if status.st_nlink > 1 or stat.S_ISSOCK(status.st_mode):
        return False
    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:  # overlayfs's for what was deleted
        return False
    return _keeps(list_xattrs(f"/proc/self/fd/{dir_fd}/{entry.name}"))


def _keeps(attributes: Iterable[str]) -> bool:
    """Whether a copy has all of these."""
    return all(keeps_xattr(name) or name == _LABEL for name in attributes)


def _rename(move: _Move, root: Path) -> None:
    """Onto the empty directory; the one above keeps its time."""
    (source_parent, source_name), (target_parent, target_name) = paths.split(move.source), paths.split(move.target)
    with (
        paths.opened_root(move.root) as old_root,
        paths.opened_root(root) as new_root,
        paths.opened(paths.open_strict(old_root, source_parent)) as old,
        paths.opened(paths.open_strict(new_root, target_parent)) as new,
    ):
        before = os.fstat(new)
        os.rename(source_name, target_name, src_dir_fd=old, dst_dir_fd=new)
        os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
        for path in move.opaque:  # nothing is there that it could hide
            with paths.opened(paths.open_strict(new, paths.join(target_name, path) if path else target_name)) as fd:
                os.removexattr(fd, _OPAQUE)
