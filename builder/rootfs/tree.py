"""A rootfs as a table of what identifies each entry's state, and the difference of two such tables.

An entry has changed when inode, ctime, size, mode or owner differ. No program can set a ctime, so contents are never read; what
makes it exact is that a snapshot ends only after the filesystem's clock has passed every ctime in it (`settle`), as git does for
its index.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from builder.rootfs import paths
from builder.rootfs.left import Left
from builder.rootfs.owner import Owners
from builder.values import dataclass, field


class Entry(NamedTuple):
    """`mode` has the type bits; times are nanoseconds, sizes bytes. A directory's inode and size are 0.

    Overlayfs may renumber directories, and their ctime tells as much.
    """

    inode: int
    ctime_ns: int
    size: int
    mode: int
    uid: int
    gid: int

    def same_but_ctime(self, other: Entry) -> bool:
        return self == other._replace(ctime_ns=self.ctime_ns)


Tree = Mapping[str, Entry]
"""Path relative to the root → entry; the root itself is the empty path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Paths relative to the root, sorted: what was made or changed, and of what was deleted the topmost.

    The root is the empty path. A deleted path that ends with a slash is all that was in a directory, which itself is there.
    Some of what was written may have `left` its content where it was copied from: the file itself is empty.
    """

    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    left: Mapping[str, Left] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.written or self.deleted)


def scan(root_fd: int, owners: Owners) -> dict[str, Entry]:
    """Every entry below the root and the root itself; other filesystems mounted below it are scanned too."""
    plain = owners.plain
    tree = {"": _entry(os.fstat(root_fd), ".", root_fd, owners)}
    pending = [""]
    while pending:
        directory = pending.pop()
        prefix = directory + "/" if directory else ""
        fd = paths.open_known(root_fd, directory)
        try:
            with os.scandir(fd) as entries:
                for item in entries:
                    status = item.stat(follow_symlinks=False)
                    path = prefix + item.name
                    mode = status.st_mode
                    if not plain:
                        status = owners.opened_up(status, item.name, dir_fd=fd)
                        tree[path] = _entry(status, item.name, fd, owners)
                    elif stat.S_ISDIR(mode):
                        tree[path] = Entry(0, status.st_ctime_ns, 0, mode, status.st_uid, status.st_gid)
                    else:
                        tree[path] = Entry(status.st_ino, status.st_ctime_ns, status.st_size, mode, status.st_uid, status.st_gid)
                    if stat.S_ISDIR(mode):
                        pending.append(path)
        finally:
            os.close(fd)
    return tree


def _entry(status: os.stat_result, name: str, dir_fd: int, owners: Owners) -> Entry:
    truth = owners.truth(status, name, dir_fd=dir_fd)
    is_dir = stat.S_ISDIR(status.st_mode)
    inode, size = (0, 0) if is_dir else (status.st_ino, status.st_size)
    return Entry(inode, status.st_ctime_ns, size, truth.mode, truth.uid, truth.gid)


def look(root_fd: int, path: str, owners: Owners) -> Entry | None:
    """One entry of what `scan` would find; `path` has no links in it. None if there is nothing."""
    try:
        with paths.find(root_fd, path, follow=False) as spot:
            status = spot.lstat()
            return None if status is None else _entry(status, spot.name, spot.dir_fd, owners)
    except (FileNotFoundError, NotADirectoryError):
        return None


def diff(old: Tree, new: Tree, *, ignoring_ctime: Collection[str] = ()) -> Changes:
    """What leads from `old` to `new`.

    For the paths in `ignoring_ctime` the ctime says nothing, because whoever ran the command has renamed them himself. The root
    counts as changed by its mode and owner only: what happens in it is told by its entries. Sockets are in no layer: none is
    deleted, and what one has replaced is.
    """
    written = [path for path, entry in new.items() if old.get(path) != entry]
    if ignoring_ctime or "" in old:
        excused = {"", *ignoring_ctime}
        written = [path for path in written if not (path in excused and path in old and old[path].same_but_ctime(new[path]))]
    gone = [path for path in old if path not in new] + [path for path in written if path in old and stat.S_ISSOCK(new[path].mode)]
    deleted = [path for path in gone if not stat.S_ISSOCK(old[path].mode) and _is_topmost(path, new)]
    return Changes(written=tuple(sorted(written)), deleted=tuple(sorted(deleted)))


def _is_topmost(path: str, new: Tree) -> bool:
    """Whether a deleted path needs a mark of its own: not if its directory is gone, or is something else now."""
    parent = new.get(paths.split(path)[0])
    return parent is not None and stat.S_ISDIR(parent.mode)


def settle(tree: Tree, directory: Path) -> None:
    """Wait until the clock of the filesystem of `directory` has passed the newest ctime in `tree`: one tick (1 to 10 ms) at most.

    A change made later has a later ctime then, whatever the granularity. If the clock was set back the wait is given up: equal
    times to the nanosecond are no danger any more.
    """
    newest = max(entry.ctime_ns for entry in tree.values())
    with tempfile.TemporaryFile(dir=directory) as probe:
        for _ in range(_TRIES):
            os.utime(probe.fileno())
            if os.fstat(probe.fileno()).st_ctime_ns > newest:
                return
            time.sleep(_PAUSE)


_PAUSE = 0.001
_TRIES = 2000
