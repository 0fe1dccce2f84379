"""The sandbox child's part of RUN --mount: finds or makes the place below the root for each mount, and mounts it.

Imports the stdlib only. Places are looked for when everything before is mounted, so that one mount may lie in another; links in
their paths are followed below the root only, and nothing is mounted by name: a descriptor can't be exchanged for a link.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

from builder.sandbox import linux

_LINK_LIMIT = 40  # as in Linux
_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_TMPFS = 0o1777
_SECRET = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC


def attach(root: str, mounts: list[dict[str, Any]], staging: str) -> None:
    """Mount all of `mounts` (values of sandbox/mounts.py as JSON) in order; `staging` is an empty directory outside."""
    staged = False
    for number, mount in enumerate(mounts):
        kind = mount["kind"]
        directory = kind == "tmpfs" or (kind == "bind" and os.path.isdir(mount["source"]))
        try:
            place, made = find_place(root, mount["target"], directory=directory)
        except OSError as error:
            raise OSError(error.errno, f"can't make {mount['target']!r} to mount on: {os.strerror(error.errno or 0)}") from error
        try:
            target = f"/proc/self/fd/{place}"
            if kind == "bind":
                _bind(mount, target)
            elif kind == "tmpfs":
                _tmpfs(mount, target, made=bool(made))
            else:
                if not staged:
                    linux.mount("tmpfs", staging, "tmpfs", _SECRET, "mode=700")
                    staged = True
                _file(mount, target, f"{staging}/{number}")
        except OSError as error:
            raise OSError(error.errno, f"can't mount on {mount['target']!r}: {error.strerror}") from error
        finally:
            os.close(place)


def bind(source: str, target: str, *, flags: int = 0, recursive: bool = False) -> None:
    """Bind `source`; `flags` are those that the mount gets besides, MS_RDONLY for instance."""
    linux.mount(source, target, None, linux.MS_BIND | (linux.MS_REC if recursive else 0))
    if flags:
        # A remount must repeat the flags that the mount has, or a user namespace gets EPERM (mount_namespaces(7)). `target`
        # may be a descriptor of what is below the new mount, which its own name is above.
        path = os.path.realpath(target)
        kept = os.statvfs(path).f_flag & (linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | linux.MS_RDONLY)
        linux.mount("none", path, None, linux.MS_BIND | linux.MS_REMOUNT | flags | kept)


def _bind(mount: dict[str, Any], target: str) -> None:
    if mount["upper"]:
        _overlay(mount["source"], mount["upper"], target)
    else:
        bind(mount["source"], target, flags=linux.MS_RDONLY if mount["read_only"] else 0)


def _overlay(lower: str, upper: str, target: str) -> None:
    """What is written goes to the empty directory `upper`; descriptors, since a comma or colon in a path would need quoting."""
    status = os.stat(lower)
    layers = []
    for path in (lower, f"{upper}/upper", f"{upper}/work"):
        if path != lower:
            os.mkdir(path)
        layers.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
    os.chown(f"{upper}/upper", status.st_uid, status.st_gid)
    os.chmod(f"{upper}/upper", stat.S_IMODE(status.st_mode))
    names = [f"{name}=/proc/self/fd/{fd}" for name, fd in zip(("lowerdir", "upperdir", "workdir"), layers, strict=True)]
    try:
        linux.mount("overlay", target, "overlay", 0, ",".join(names))
    except PermissionError:  # in a user namespace it can't write trusted attributes (Documentation/filesystems/overlayfs.rst)
        linux.mount("overlay", target, "overlay", 0, ",".join([*names, "userxattr"]))
    finally:
        for fd in layers:
            os.close(fd)


def _tmpfs(mount: dict[str, Any], target: str, *, made: bool) -> None:
    """With the mode of the directory that it lies on, unless that was made for it; so does runc."""
    mode = _NEW_TMPFS if made or mount["new"] else stat.S_IMODE(os.stat(target).st_mode)
    size = f",size={mount['size']}" if mount["size"] else ""
    flags = linux.MS_NOSUID | (linux.MS_RDONLY if mount["read_only"] else 0)
    linux.mount("tmpfs", target, "tmpfs", flags, f"mode={mode:o}{size}")


def _file(mount: dict[str, Any], target: str, staged: str) -> None:
    """A file in memory, read-only."""
    with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(mount["data"].encode("latin-1"))
        try:
            os.fchown(file.fileno(), mount["uid"], mount["gid"])
        except OSError as error:
            owner = f"uid {mount['uid']}, gid {mount['gid']}"
            raise OSError(error.errno, f"it can't belong to {owner}: does this user namespace map them?") from error
        os.fchmod(file.fileno(), mount["mode"])
    bind(staged, target, flags=_SECRET | linux.MS_RDONLY)


def find_place(root: str, path: str, *, directory: bool) -> tuple[int, list[str]]:
    """A descriptor (O_PATH) of `path` below `root`, made with its parents if missing, and the paths of what was made."""
    fds = [os.open(root, _WALK)]
    try:
        made = _walk(fds, path, directory=directory)
        return os.dup(fds[-1]), made
    finally:
        for fd in fds:
            os.close(fd)


def _walk(fds: list[int], path: str, *, directory: bool) -> list[str]:
    """Go from `fds`, the way from the root to here, along `path`."""
    pending = _parts(path)
    links = 0
    made = []
    while pending:
        part = pending.pop()
        if part == "..":
            if len(fds) > 1:
                os.close(fds.pop())
            continue
        try:
            fd = os.open(part, _WALK, dir_fd=fds[-1])
        except FileNotFoundError:
            _make(part, fds[-1], directory=directory or bool(pending))
            fd = os.open(part, _WALK, dir_fd=fds[-1])
            made.append(os.readlink(f"/proc/self/fd/{fd}"))
        if not stat.S_ISLNK(os.fstat(fd).st_mode):
            fds.append(fd)
            continue
        os.close(fd)
        links += 1
        if links > _LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        link = os.readlink(part, dir_fd=fds[-1])
        if link.startswith("/"):
            while len(fds) > 1:
                os.close(fds.pop())
        pending.extend(_parts(link))
    return made


def _make(name: str, dir_fd: int, *, directory: bool) -> None:
    if directory:
        os.mkdir(name, 0o755, dir_fd=dir_fd)
    else:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=dir_fd))


def _parts(path: str) -> list[str]:
    """From last to first."""
    return [part for part in path.split("/") if part not in ("", ".")][::-1]
