"""What a command has changed on an overlay: the upper directory says where to look, nothing else is scanned.

Three views of one tree are compared: `before` (the lower directories), `after` (with the upper one) and `upper` itself. Inode
numbers are those of the lower files in the first two, also of what was copied up (Documentation/filesystems/overlayfs.rst, "Inode
properties"), so that an entry is the same one in both if its number is.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from typing import NamedTuple

from builder.rootfs import paths
from builder.values import dataclass, field

_METACOPY = "trusted.overlay.metacopy"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Descriptors of the roots."""

    before: int
    after: int
    upper: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """`written` and `deleted` as in Changes; `linked` has the paths of files with several names: inode number → paths."""

    written: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    linked: defaultdict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


def compare(views: Views) -> Found:
    """What leads from `before` to `after`. The root itself counts as changed by its mode and owner only, as in tree.py."""
    found = Found()
    old, new = os.fstat(views.before), os.fstat(views.after)
    if (old.st_mode, old.st_uid, old.st_gid) != (new.st_mode, new.st_uid, new.st_gid):
        found.written.add("")
    pending = [_Directory("", same=True, before=True, upper=True)]
    while pending:
        with _Level(views, pending.pop()) as level:
            for name in level.names():
                pending.extend(level.compare(name, found))
    return found


class _Directory(NamedTuple):
    """One to look into; `before` and `upper` say whether it is a directory there too.

    With `same` it is the very directory that it was, so that only the upper entries count.
    """

    path: str
    same: bool
    before: bool
    upper: bool


class _Level:
    """A directory open in the views that have it."""

    def __init__(self, views: Views, directory: _Directory) -> None:
        self._path, self._same = directory.path, directory.same
        self._after = paths.open_known(views.after, self._path)
        self._before = paths.open_known(views.before, self._path) if directory.before else None
        self._upper = paths.open_known(views.upper, self._path) if directory.upper else None

    def __enter__(self) -> _Level:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in (self._after, self._before, self._upper):
            if fd is not None:
                os.close(fd)

    def names(self) -> list[str]:
        if self._same:
            return [] if self._upper is None else os.listdir(self._upper)
        return list({*os.listdir(self._after), *(os.listdir(self._before) if self._before is not None else ())})

    def compare(self, name: str, found: Found) -> list[_Directory]:
        """Note what has become of an entry; returns the directory that has to be looked into for that."""
        path = paths.join(self._path, name)
        before, after, upper = _lstat(self._before, name), _lstat(self._after, name), _lstat(self._upper, name)
        if _is_in_layers(before) and not _is_in_layers(after):
            found.deleted.add(path)
        if after is None:
            return []
        is_directory = stat.S_ISDIR(after.st_mode)
        if after.st_nlink > 1 and not is_directory:
            found.linked[after.st_ino].add(path)
        same = before is not None and _identity(before) == _identity(after)
        if same and upper is None:
            return []
        if not same or self._has_changed(name, before, after):
            found.written.add(path)
        return [_Directory(path, same, _is_directory(before), _is_directory(upper))] if is_directory else []

    def _has_changed(self, name: str, before: os.stat_result | None, after: os.stat_result) -> bool:
        """Whether more was done to an entry than to open it for writing, or to change something below it.

        Only regular files are ever copied up for being opened, with their content; only directories for what is below them.
        """
        if before is None or _metadata(before) != _metadata(after):
            return True
        if not (stat.S_ISREG(after.st_mode) or stat.S_ISDIR(after.st_mode)):
            return True
        assert self._before is not None
        assert self._upper is not None
        with (
            paths.opened(os.open(name, _READ, dir_fd=self._before)) as old,
            paths.opened(os.open(name, _READ, dir_fd=self._after)) as new,
            paths.opened(os.open(name, _READ, dir_fd=self._upper)) as upper,
        ):
            if _xattrs(old) != _xattrs(new):
                return True
            if stat.S_ISDIR(after.st_mode):
                return not os.listdir(upper)
            return _METACOPY in os.listxattr(upper) or not _have_same_content(old, new)


def _lstat(dir_fd: int | None, name: str) -> os.stat_result | None:
    if dir_fd is None:
        return None
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is_in_layers(status: os.stat_result | None) -> bool:
    return status is not None and not stat.S_ISSOCK(status.st_mode)


def _is_directory(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISDIR(status.st_mode)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, stat.S_IFMT(status.st_mode)


def _metadata(status: os.stat_result) -> tuple[int, ...]:
    """All that a change shows in; a directory's size and number of links are overlayfs's own business."""
    own = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns)
    return own if stat.S_ISDIR(status.st_mode) else (*own, status.st_size, status.st_nlink)


def _xattrs(fd: int) -> dict[str, bytes]:
    return {name: os.getxattr(fd, name) for name in os.listxattr(fd)}


def _have_same_content(one: int, other: int) -> bool:
    while True:
        piece = os.read(one, _PIECE)
        if piece != os.read(other, _PIECE):
            return False
        if not piece:
            return True
