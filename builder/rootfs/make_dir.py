"""Makes missing directories, for WORKDIR and for destinations of COPY."""

from __future__ import annotations

import os
import stat

from builder.errors import RootfsError
from builder.ops import MakeDir
from builder.rootfs import paths
from builder.rootfs.owner import Meta, Owners
from builder.rootfs.tree import Changes
from builder.rootfs.users import lookup_chown


class DirectoryMaker:
    """Give it to paths.find() as `make`: each missing directory gets `mode` and `owner`, its path is added to `made`.

    Below a set-group-ID directory it is one too, as mkdir(2) does it, and without `owner` has that one's group, else root's.
    """

    def __init__(self, owners: Owners, *, owner: tuple[int, int] | None, mode: int, made: set[str]) -> None:
        self._owners = owners
        self._owner = owner
        self._mode = stat.S_IFDIR | mode
        self._made = made

    def __call__(self, dir_fd: int, name: str, path: str) -> None:
        os.mkdir(name, 0o700, dir_fd=dir_fd)
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        parent = self._owners.truth(os.fstat(dir_fd), dir_fd)
        inherited = parent.mode & stat.S_ISGID
        uid, gid = self._owner or (0, parent.gid if inherited else 0)
        self._owners.set(name, Meta(self._mode | inherited, uid, gid, status.st_mtime_ns), dir_fd=dir_fd)
        self._made.add(path)


def make_dir(root_fd: int, op: MakeDir, owners: Owners, *, outline: bool = False) -> Changes:
    """Do a MakeDir op: missing directories are made 0755; existing ones stay as they are.

    Raises RootfsError where a file is in the way, and as `lookup_chown`: BuildKit does the same for WORKDIR's user.
    """
    made: set[str] = set()
    owner = lookup_chown(root_fd, op.user, outline=outline) if op.user else None
    maker = DirectoryMaker(owners, owner=owner, mode=0o755, made=made)
    try:
        fd, _ = paths.open_dir(root_fd, op.path, make=maker)
    except OSError as error:
        raise RootfsError(f"can't make the directory {op.path!r}: {error.strerror}") from error
    os.close(fd)
    return Changes(written=tuple(sorted(made)))
