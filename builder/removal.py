"""Deletes whole trees, however deep: with directory descriptors, one open at a time, and following no link."""

from __future__ import annotations

import os
import stat

_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(dir_fd: int, name: str) -> bool:
    """Delete `name` and all below it, following no link; False if there was nothing.

    Depth and width are bounded by the disk only.
    """
    try:
        os.unlink(name, dir_fd=dir_fd)
        return True
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError):
        # POSIX lets unlink() of a directory fail with EPERM as well.
        if not stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            raise
    _remove_directory(dir_fd, name)
    return True


def _remove_directory(dir_fd: int, name: str) -> None:
    """With one open descriptor however deep the tree is: `..` of a directory just entered leads back."""
    fd = _enter(dir_fd, name)
    path = [name]
    pending = [_unlink_files(fd)]
    try:
        while pending:
            if pending[-1]:
                child = pending[-1].pop()
                fd = _switch(fd, child)
                path.append(child)
                pending.append(_unlink_files(fd))
                continue
            pending.pop()
            child = path.pop()
            if path:
                fd = _switch(fd, "..")
                os.rmdir(child, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=dir_fd)


def _switch(fd: int, name: str) -> int:
    new = _enter(fd, name)
    os.close(fd)
    return new


def _enter(dir_fd: int, name: str) -> int:
    """Open a directory that is to be emptied; an owner may always give himself the right to do so."""
    try:
        fd = os.open(name, _READ, dir_fd=dir_fd)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=dir_fd)
        return os.open(name, _READ, dir_fd=dir_fd)
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=fd, effective_ids=True):
        os.fchmod(fd, 0o700)
    return fd


def _unlink_files(fd: int) -> list[str]:
    """Delete what isn't a directory and return the names of the directories."""
    directories = []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=fd)
    return directories
