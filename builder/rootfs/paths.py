"""Names below a root, resolved one component at a time with directory descriptors.

Symbolic links are followed inside the root only, as a process chrooted there would: an absolute target begins at the root and
`..` stops at it (path_resolution(7)). Nothing here looks at the text of a path to decide whether it lies inside. Failures are
plain OSErrors.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from builder.removal import remove as remove  # a door of this module, too

LINK_LIMIT = 40
"""Followed symbolic links in one path, as in Linux."""

MakeMissing = Callable[[int, str, str], None]
"""Makes a missing directory: gets its parent's descriptor, its name and its path below the root."""

_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 3000  # bytes of a path given to one system call; PATH_MAX is 4096


class Spot:
    """A name in an open directory; it owns `dir_fd`. The name may not exist; `.` stands for the directory itself."""

    __slots__ = ("dir_fd", "name", "parent")

    def __init__(self, dir_fd: int, parent: str, name: str) -> None:
        self.dir_fd = dir_fd
        self.parent = parent
        self.name = name

    @property
    def path(self) -> str:
        """Relative to the root, without symbolic links; empty for the root itself."""
        return self.parent if self.name == "." else join(self.parent, self.name)

    def lstat(self) -> os.stat_result | None:
        """What is there, or None."""
        try:
            return os.stat(self.name, dir_fd=self.dir_fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def __enter__(self) -> Spot:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.dir_fd)


def join(parent: str, name: str) -> str:
    """The path of `name` in `parent`, both relative to a root."""
    return f"{parent}/{name}" if parent else name


def split(path: str) -> tuple[str, str]:
    """Parent and last name of a path relative to a root; the parent of a top-level name is empty."""
    parent, _, name = path.rpartition("/")
    return parent, name


def find(root_fd: int, path: str, *, follow: bool = True, make: MakeMissing | None = None) -> Spot:
    """Resolve `path` below the root; the last component is followed when it is a link and `follow` is set.

    Missing directories on the way are made with `make`, or are a FileNotFoundError. Also raises NotADirectoryError, and OSError
    (ELOOP).
    """
    walk = _Walk(root_fd)
    try:
        name = walk.go(path, follow=follow, make=make)
        return Spot(walk.release(), walk.path, name)
    finally:
        walk.close()


def open_dir(root_fd: int, path: str, *, make: MakeMissing | None = None) -> tuple[int, str]:
    """A readable descriptor of the directory at `path`, links followed, and its path without links."""
    with find(root_fd, path, make=make) as spot:
        try:
            return os.open(spot.name, _READ, dir_fd=spot.dir_fd), spot.path
        except FileNotFoundError:
            if make is None:
                raise
            make(spot.dir_fd, spot.name, spot.path)
            return os.open(spot.name, _READ, dir_fd=spot.dir_fd), spot.path


def open_known(root_fd: int, path: str) -> int:
    """A readable descriptor of a directory whose path was just found by walking the tree, so that it has no links."""
    if len(path) < _PIECE:
        return os.open(path or ".", _READ, dir_fd=root_fd)
    return open_strict(root_fd, path)


def open_strict(root_fd: int, path: str) -> int:
    """A readable descriptor of a directory; raises NotADirectoryError if any component is a link or no directory."""
    walk = _Walk(root_fd)
    try:
        for part in _parts(path):
            walk.down(part, None)
        return os.open(".", _READ, dir_fd=walk.fd)
    finally:
        walk.close()


@contextmanager
def opened_root(path: Path) -> Iterator[int]:
    """A readable descriptor of the directory that is to be a root; links in `path` itself are the caller's and followed."""
    with opened(open_root(path)) as fd:
        yield fd


def open_root(path: Path) -> int:
    """The same, for the caller to close."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


@contextmanager
def opened(fd: int) -> Iterator[int]:
    """`fd`, closed at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


class _Walk:
    """A position below the root: an open directory and its path without links."""

    def __init__(self, root_fd: int) -> None:
        self._root_fd = root_fd
        self._names: list[str] = []
        self.fd = os.open(".", _WALK, dir_fd=root_fd)

    @property
    def path(self) -> str:
        return "/".join(self._names)

    def go(self, path: str, *, follow: bool, make: MakeMissing | None) -> str:
        """Walk to the last component and return its name, `.` if the path ends in the directory reached."""
        pending = _parts(path)[::-1]
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                self._up()
                continue
            target = self._link_target(part) if pending or follow else None
            if target is not None:
                links += 1
                if links > LINK_LIMIT:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    self._move(".", self._root_fd)
                    self._names.clear()
                pending.extend(_parts(target)[::-1])
            elif pending:
                self.down(part, make)
            else:
                return part
        return "."

    def down(self, name: str, make: MakeMissing | None) -> None:
        try:
            self._move(name, self.fd)
        except FileNotFoundError:
            if make is None:
                raise
            make(self.fd, name, join(self.path, name))
            self._move(name, self.fd)
        self._names.append(name)

    def _up(self) -> None:
        if self._names:
            self._move("..", self.fd)
            self._names.pop()

    def _move(self, name: str, dir_fd: int) -> None:
        new = os.open(name, _WALK, dir_fd=dir_fd)
        os.close(self.fd)
        self.fd = new

    def _link_target(self, name: str) -> str | None:
        try:
            return os.readlink(name, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL:  # not a link
                return None
            raise

    def release(self) -> int:
        """Give the descriptor to the caller."""
        fd, self.fd = self.fd, -1
        return fd

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part and part != "."]
