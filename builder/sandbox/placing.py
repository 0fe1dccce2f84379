"""RUN --mount without mount(2): what a command is to see is renamed to its place, and back when the command has ended.

Stdlib only. No command runs while this works, so paths can be used by name. A source is moved, not shared: it must be the mount's
own, on the file system of the root, and whatever the command does to it stays done (read-only is not enforced).
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from builder.sandbox.attach import find_place
from builder.values import dataclass, field

_NEW_TMPFS = 0o1777


@dataclass(slots=True, kw_only=True)
class Placing:
    """What has been placed below `root`; `staging` is an empty directory on the same file system.

    `touched` are the absolute paths of directories whose times were put back (their ctime has moved), `hidden` those of what lies
    beneath a mount or was made for it.
    """

    root: str
    staging: str
    touched: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    _undo: list[Callable[[], None]] = field(default_factory=list)
    _taken: dict[str, str] = field(default_factory=dict)

    def put(self, mount: dict[str, Any]) -> None:
        """Place one mount (a value of sandbox/mounts.py as JSON); later ones may lie inside."""
        kind = mount["kind"]
        directory = kind == "tmpfs" or (kind == "bind" and os.path.isdir(mount["source"]))
        try:
            descriptor, made = find_place(self.root, mount["target"], directory=directory)
            place = os.readlink(f"/proc/self/fd/{descriptor}")
            os.close(descriptor)
            for path in made:
                self._undo.append(partial(_remove_made, path))
            self._show(self._thing(mount, place), place)
        except OSError as error:
            raise OSError(error.errno, f"can't place the mount {mount['target']!r}: {error.strerror}") from error

    def remove(self) -> None:
        """Put everything back, the last first; what the command itself has removed stays away."""
        while self._undo:
            self._undo.pop()()

    def _show(self, thing: str, place: str) -> None:
        """Exchange what is at `place` for `thing`, until `remove`."""
        parent = os.path.dirname(place)
        times = _times(parent)
        aside = f"{self.staging}/hidden-{len(self._undo)}"
        os.rename(place, aside)
        try:
            back = _move(thing, place)
        except BaseException:
            os.rename(aside, place)
            raise
        os.utime(parent, ns=times)
        self._undo.append(partial(_restore, place, aside, back))
        self.touched.add(parent)
        self.hidden.add(place)

    def _thing(self, mount: dict[str, Any], place: str) -> str:
        """The path of what is to be shown at `place`."""
        made = f"{self.staging}/new-{len(self._undo)}"
        if mount["kind"] == "bind":
            source: str = os.path.realpath(mount["source"])
            if source in self._taken:
                raise OSError(errno.EBUSY, f"it is at {self._taken[source]!r} already, and can't be in two places without mounts")
            self._taken[source] = mount["target"]
            return source
        if mount["kind"] == "tmpfs":
            new = mount["new"] or not os.path.isdir(place)
            os.mkdir(made)
            os.chmod(made, _NEW_TMPFS if new else stat.S_IMODE(os.stat(place).st_mode))
            self._undo.append(lambda: _delete(made))
            return made
        with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            self._undo.append(lambda: _delete(made))
            file.write(mount["data"].encode("latin-1"))
            os.fchown(file.fileno(), mount["uid"], mount["gid"])
            os.fchmod(file.fileno(), mount["mode"])
        return made


def _times(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_atime_ns, status.st_mtime_ns


def _move(thing: str, place: str) -> str | None:
    """Rename it there; returns where it goes back to, None for a copy, which a place on another file system (/dev, say) gets."""
    try:
        os.rename(thing, place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(thing, place)
        return None
    return thing


def _restore(place: str, aside: str, back: str | None) -> None:
    """Nothing of it, or a part only, if the command has removed what it saw or the directory that this lay in."""
    parent = os.path.dirname(place)
    with suppress(FileNotFoundError, NotADirectoryError):
        times = _times(parent)
        if back is None:
            _delete(place)
        elif os.path.lexists(place):
            os.rename(place, back)
        os.rename(aside, place)
        os.utime(parent, ns=times)


def _remove_made(path: str) -> None:
    """Unless something is in it now: that belongs to whatever it lies in."""
    parent = os.path.dirname(path)
    try:
        times = _times(parent)
        (os.rmdir if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise
        return
    os.utime(parent, ns=times)


def _copy(source: str, target: str) -> None:
    if os.path.isdir(source):
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target)


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
