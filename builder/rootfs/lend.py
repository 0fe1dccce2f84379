"""Part of a tree for a command to look at: where it really is, or a copy of it where the tree itself would show too much."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.ops import Copy, FromContext
from builder.rootfs import Owners, SourceTree, paths
from builder.rootfs.plain import PlainRootfs
from builder.rootfs.sources import View, named
from builder.rootfs.wildcards import literal

_NAME = "lent"


def lend(source: SourceTree, path: str, *, directory: Path, writable: bool = False, owners: Owners | None = None) -> Path:
    """A file or directory of the host that shows `path` (absolute) of `source`, to be used as it is.

    It is below `directory` if it had to be copied, which happens once for a path; with `writable` always and anew. Whose the
    copy's files are is noted in `owners` where that can't be stored. Raises ContextError when there is nothing at `path`.
    """
    with paths.opened_root(source.path) as root_fd:
        wanted = named(View(fd=root_fd, tree=source), path)
        found, status = wanted.place, wanted.status
        if not writable and _is_as_it_shall_be(root_fd, source, found, status):
            return source.path / found
    number = sum(1 for _ in directory.iterdir()) if writable else 0
    place = directory / (f"new-{number}" if writable else f"of-{_digest(source, found)}")
    if not place.exists():
        _copy(source, found, status, place, owners)
    return place / _NAME


def _digest(source: SourceTree, found: str) -> str:
    import hashlib

    return hashlib.sha256(os.fsencode(f"{source.path}\0{found}")).hexdigest()


def _is_as_it_shall_be(root_fd: int, source: SourceTree, found: str, status: os.stat_result) -> bool:
    """A rootfs is. Of a build context nothing may be ignored or be on another file system; what is to be root's must be, and the
    root of the context open to all, as it is with docker.
    """
    if source.owners is not None and source.shows_all:
        return True

    def is_good(path: str, item: os.stat_result) -> bool:
        if item.st_dev != status.st_dev or (path and source.ignored(path)):
            return False
        is_roots = (item.st_uid, item.st_gid) == (0, 0) and source.context_mode(item.st_mode) == item.st_mode
        return source.owners is not None or (is_roots and (path != "" or item.st_mode & 0o005 == 0o005))

    return is_good(found, status) and all(is_good(path, item) for path, item in _entries(root_fd, found, status))


def _entries(root_fd: int, top: str, status: os.stat_result) -> Iterator[tuple[str, os.stat_result]]:
    """What is below a directory; nothing is below anything else."""
    if not stat.S_ISDIR(status.st_mode):
        return
    pending = [top]
    while pending:
        parent = pending.pop()
        with paths.opened(paths.open_known(root_fd, parent)) as fd, os.scandir(fd) as entries:
            for entry in entries:
                path, item = paths.join(parent, entry.name), entry.stat(follow_symlinks=False)
                yield path, item
                if stat.S_ISDIR(item.st_mode):
                    pending.append(path)


def _copy(source: SourceTree, found: str, status: os.stat_result, place: Path, owners: Owners | None) -> None:
    """As COPY does it; only that a directory is in all like the one that it shows, unless that is the root of a context."""
    place.mkdir(parents=True)
    op = Copy(source=FromContext(), paths=(literal(f"/{found}"),), destination=f"/{_NAME}")
    rootfs = PlainRootfs(place, owners)
    rootfs.copy(op, source)
    if not stat.S_ISDIR(status.st_mode):
        return
    if source.owners:
        with _held(source.path / found) as original, _held(place / _NAME) as copy:
            rootfs.owners.become(copy, source.owners.truth(status, original))
    elif found:
        (place / _NAME).chmod(stat.S_IMODE(source.context_mode(status.st_mode)))


@contextmanager
def _held(path: Path) -> Iterator[int]:
    with paths.opened(os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)) as fd:
        yield fd
