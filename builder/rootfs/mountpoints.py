"""Places for a sandbox to mount on: made where the image has none, and gone again afterwards, times of their parents included."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from builder.errors import RootfsError
from builder.rootfs.paths import find, opened_root
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mountpoints:
    """`places` says for each path where it really is: absolute below the root, links resolved; `made` are those made for now.

    A path that leads into a directory of another place isn't there: whoever mounts something on that will find the rest there.
    """

    places: Mapping[str, str]
    made: tuple[str, ...]


@contextmanager
def mountpoints(root: Path, wanted: Mapping[str, bool]) -> Iterator[Mountpoints]:
    """While it is entered every path of `wanted` (absolute below `root` → whether it is a directory) exists, outermost first.

    Nothing is kept open: meanwhile something else may be mounted on `root`. Raises RootfsError when something else is there.
    """
    made: list[_Made] = []
    try:
        places: dict[str, str] = {}
        with opened_root(root) as root_fd:
            for path, directory in wanted.items():
                if not _is_covered(root_fd, path, places.values()):
                    places[path] = _place(root_fd, path, made, directory=directory)
        yield Mountpoints(places=places, made=tuple(item.path for item in made))
    finally:
        with opened_root(root) as root_fd:
            for item in reversed(made):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # a command has moved what it was in
                    item.remove(root_fd)


class _Made:
    """A file or directory made here, the times that its parent had before, and the one that it got by that."""

    def __init__(self, dir_fd: int, name: str, path: str, *, directory: bool) -> None:
        status = os.stat(".", dir_fd=dir_fd)
        self._times = (status.st_atime_ns, status.st_mtime_ns)
        self.path = path
        self._directory = directory
        if directory:
            os.mkdir(name, dir_fd=dir_fd)
            os.chmod(name, 0o755, dir_fd=dir_fd)  # whatever the umask: it stays if a command puts something there
        else:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=dir_fd))
        self._since_ns = os.stat(".", dir_fd=dir_fd).st_mtime_ns

    def remove(self, root_fd: int) -> None:
        """Nothing is removed that isn't empty: what a command put into a directory made here belongs to the image.

        The parent gets its old times back, unless a command has changed something in it.
        """
        with find(root_fd, self.path, follow=False) as spot:
            status, parent = spot.lstat(), os.stat(".", dir_fd=spot.dir_fd)
            if status is None or (status.st_size and not self._directory):
                return
            try:
                (os.rmdir if self._directory else os.unlink)(spot.name, dir_fd=spot.dir_fd)
            except OSError:
                if os.listdir(f"/proc/self/fd/{spot.dir_fd}/{spot.name}"):
                    return
                raise
            is_as_made = parent.st_mtime_ns == self._since_ns
            os.utime(f"/proc/self/fd/{spot.dir_fd}", ns=self._times if is_as_made else (parent.st_atime_ns, parent.st_mtime_ns))


def _is_covered(root_fd: int, path: str, places: Collection[str]) -> bool:
    """Whether something on the way to `path`, links followed, is one of `places` or below it."""
    parts = path.strip("/").split("/")
    for count in range(1, len(parts) + 1):
        try:
            with find(root_fd, "/".join(parts[:count])) as spot:
                here = f"/{spot.path}"
        except OSError:  # it isn't there, so nothing is mounted below it
            return False
        is_last = count == len(parts)
        if any(here.startswith(f"{place}/") or (here == place and not is_last) for place in places):
            return True
    return False


def _place(root_fd: int, path: str, made: list[_Made], *, directory: bool) -> str:
    def make(dir_fd: int, name: str, path: str) -> None:
        made.append(_Made(dir_fd, name, path, directory=True))

    try:
        with find(root_fd, path, make=make) as spot:
            status = spot.lstat()
            if status is None:
                made.append(_Made(spot.dir_fd, spot.name, spot.path, directory=directory))
            elif stat.S_ISDIR(status.st_mode) != directory:
                kind = "a directory" if directory else "a file"
                raise RootfsError(f"can't provide {path!r} to a command: the image has something there that isn't {kind}")
            return f"/{spot.path}"
    except OSError as error:
        raise RootfsError(f"can't provide {path!r} to a command: {error.strerror}") from error
