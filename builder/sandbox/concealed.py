"""Files that a command must not read, taken away while it runs and held in memory by a process that it can't look into.

Stdlib only. What lies on a volume stays there: nothing on it is ours to remove.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from builder.sandbox.kept import mount_points

_MOST = 1 << 20  # bytes; credentials are smaller


def exposed(paths: Iterable[str]) -> list[str]:
    """Those that lie on a volume, sorted."""
    points = set(mount_points().values()) - {"/"}
    return sorted(path for path in paths if os.path.isfile(path) and _is_on(os.path.realpath(path), points))


@contextmanager
def concealed(paths: Iterable[str]) -> Iterator[None]:
    """While it is entered the files don't exist; they come back as they were, times and owners included."""
    kept_on_volumes = set(exposed(paths))
    restore: list[Callable[[], None]] = []
    try:
        for path in sorted({os.path.realpath(path) for path in paths if path not in kept_on_volumes and os.path.isfile(path)}):
            restore.append(_take(path))
        yield
    finally:
        for put_back in reversed(restore):
            put_back()


def _is_on(path: str, points: set[str]) -> bool:
    return any(path == point or path.startswith(f"{point}/") for point in points)


def _take(path: str) -> Callable[[], None]:
    with open(path, "rb") as file:
        data, status = file.read(_MOST + 1), os.fstat(file.fileno())
    if len(data) > _MOST:
        raise OSError(0, f"{path!r} is too large to be hidden from commands")
    os.unlink(path)

    def put_back() -> None:
        new = f"{path}.masu-new"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(data)
            os.fchown(file.fileno(), status.st_uid, status.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            file.flush()
            os.utime(file.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        os.rename(new, path)

    return put_back
