"""Directories laid over one another by overlayfs, and mounted: what is written goes to the upper one."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from builder.rootfs import paths
from builder.rootfs.overlay_diff import Views
from builder.rootfs.owner import stored_xattrs
from builder.state import remove_tree


class Mounter(Protocol):
    """How overlays are mounted (sandbox/overlayfs.py says more)."""

    def mount(self, target: Path, lowers: Sequence[Path], *, upper: Path | None = None, work: Path | None = None) -> None:
        """`lowers` are topmost first; without an upper directory there must be two of them."""

    def unmount(self, target: Path) -> None:
        """Take it away, at once."""


class Stack:
    """In the new directory `directory`, mounted at `path` until `close`; `lowers` are topmost first."""

    def __init__(self, directory: Path, mounter: Mounter, lowers: Sequence[Path]) -> None:
        self.path = directory / "root"
        self._before, self._empty, nothing = (directory / name for name in ("before", "empty", "nothing"))
        for path in (directory, self.path, self._before, self._empty, nothing):
            path.mkdir()
        nothing.chmod(0o755)  # whatever the umask
        self._directory = directory
        self._mounter = mounter
        self._number = 0
        self._is_mounted = False
        self.lowers = tuple(lowers) or (nothing,)
        self._begin()

    @property
    def upper(self) -> Path:
        """The directory that has what was written since the last `push`."""
        return self._directory / str(self._number) / "upper"

    @property
    def _work(self) -> Path:
        return self._directory / str(self._number) / "work"

    def push(self, change: Callable[[Path], None] | None = None) -> None:
        """Make the upper directory, after a `change` while nothing is mounted, the topmost of the lower ones; begin a new one."""
        self.close()
        if change is not None:
            change(self.upper)
        remove_tree(self._work)  # with the index, whose links count as names of the files
        self.lowers = (self.upper, *self.lowers)
        self._number += 1
        self._begin()

    @contextmanager
    def views(self) -> Iterator[Views]:
        """The tree as it is, as it was before the last `push`, and what makes the difference."""
        self._mounter.mount(self._before, (*self.lowers, self._empty))
        try:
            with (
                paths.opened_root(self._before) as before,
                paths.opened_root(self.path) as after,
                paths.opened_root(self.upper) as upper,
            ):
                yield Views(before=before, after=after, upper=upper)
        finally:
            self._mounter.unmount(self._before)

    def close(self) -> None:
        """Unmount it, if it is mounted; the directories stay."""
        if self._is_mounted:
            self._is_mounted = False
            self._mounter.unmount(self.path)

    def _begin(self) -> None:
        self.upper.mkdir(parents=True)
        self._work.mkdir()
        _make_like(self.upper, self.lowers[0])
        self._mounter.mount(self.path, self.lowers, upper=self.upper, work=self._work)
        self._is_mounted = True


def _make_like(directory: Path, other: Path) -> None:
    """The root of the mount is the upper directory's own."""
    status = os.stat(other)
    os.chown(directory, status.st_uid, status.st_gid)
    os.chmod(directory, stat.S_IMODE(status.st_mode))
    with paths.opened_root(other) as source, paths.opened_root(directory) as target:
        for name, value in stored_xattrs(source):
            os.setxattr(target, name, value)
    os.utime(directory, ns=(status.st_mtime_ns, status.st_mtime_ns))
