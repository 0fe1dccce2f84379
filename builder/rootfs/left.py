"""Contents of copied files that stay where they are: what is only to be packed needn't be written first.

Such a file is there with all its metadata, but empty, as the files of an outline are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from builder.errors import RootfsError
from builder.rootfs import paths

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

WORTHWHILE = 64 << 10
"""Bytes from which on a content is left: noting where it is takes as long as copying less."""


class Left(NamedTuple):
    """The content of a regular file at `place` (no links in it) below `root`, as long as it is as `state` says."""

    root: Path
    place: str
    state: tuple[int, ...]

    @classmethod
    def of(cls, root: Path, place: str, status: os.stat_result) -> Self:
        return cls(root, place, _state(status))

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor to read it by. Raises RootfsError when it isn't as it was, also when it has been read."""
        parent, name = paths.split(self.place)
        with (
            paths.opened_root(self.root) as root_fd,
            paths.opened(paths.open_strict(root_fd, parent)) as dir_fd,
            paths.opened(os.open(name, _READ, dir_fd=dir_fd)) as fd,
        ):
            self._check(fd)
            yield fd
            self._check(fd)

    def _check(self, fd: int) -> None:
        if _state(os.fstat(fd)) != self.state:
            raise self.changed()

    def changed(self) -> RootfsError:
        """What to raise when it isn't as it was."""
        return RootfsError(f"{'/' + self.place!r} has changed while it was copied", hint="end what writes there, and build again")


def _state(status: os.stat_result) -> tuple[int, ...]:
    """Without the inode's number, which isn't the same for ever on every file system (FUSE)."""
    return status.st_mode, status.st_size, status.st_mtime_ns
