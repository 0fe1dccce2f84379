"""Copies one file or tree into a rootfs with its metadata, hard links within it kept.

What replaces what, and whose metadata a directory ends with, as in BuildKit's tonistiigi/fsutil, copy/copy.go.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from builder.errors import RootfsError
from builder.modes import Change
from builder.rootfs import paths
from builder.rootfs.left import WORTHWHILE, Left
from builder.rootfs.owner import Meta, Owners, Truth
from builder.rootfs.selection import Selection, chosen
from builder.rootfs.sources import View
from builder.values import dataclass

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 26  # bytes for one copy_file_range, which copies inside the kernel
_BUFFER = 1 << 20
_NOT_HERE = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF})


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What `--chown` and `--chmod` put in place of the source's own."""

    owner: tuple[int, int] | None = None
    mode: Change | None = None


class _Directory(NamedTuple):
    """One to copy: where it is, where it goes, its path below the one copied.

    `is_taken`: it gets the source's metadata; `is_new`: it was made for this and is empty.
    """

    source: str
    target: str
    path: str
    is_taken: bool = True
    is_new: bool = False

    def child(self, name: str) -> _Directory:
        return _Directory(paths.join(self.source, name), paths.join(self.target, name), paths.join(self.path, name))


class _Source(NamedTuple):
    """An entry to copy: `name` in the open directory `dir_fd`; `path` from the root of the source; lstat's `status`."""

    dir_fd: int
    name: str
    path: str
    status: os.stat_result


class TreeCopier:
    """Copies entries of one source into one rootfs; `written` has the paths made or changed, without those in what is taken.

    If it may `leave` contents, `left` has those that are worth it, by the path of their file.
    """

    def __init__(self, view: View, root_fd: int, owners: Owners, override: Override, *, leave: bool = False) -> None:
        self._view = view
        self._root_fd = root_fd
        self._owners = owners
        self._override = override
        self._leaves = leave
        as_it_is = owners.plain and view.tree.owners is not None and view.tree.owners.plain and override == Override()
        self._taking = view.tree.taking if as_it_is else None
        self._links: dict[tuple[int, int], str] = {}
        self.written: set[str] = set()
        self.left: dict[str, Left] = {}

    def file(self, source_path: str, target_path: str) -> None:
        """Copy what isn't a directory to `target_path`, whose directory exists; a directory in its place is an error."""
        self._links.clear()
        self._in_directories(source_path, target_path, partial(self._entry, source_path))

    def content(self, source_path: str, target_path: str, selection: Selection) -> None:
        """Copy what is selected in a directory into the existing directory `target_path`."""
        self._links.clear()
        everything = selection.is_everything
        wanted = None if everything else chosen(self._view.fd, source_path, selection, exists=self._view.exists)
        directories = [_Directory(source_path, target_path, "")]
        for directory in directories:  # grows while it is read
            directories.extend(self._level(directory, wanted))
        for directory in reversed(directories[1:]):
            finish = self._finish_directory if directory.is_taken else self._finish_passed
            self._in_directories(directory.source, directory.target, finish)

    def inline(self, data: bytes, target_path: str) -> None:
        """Write a file of root's with the mode 0644, or what is put in their place, to `target_path`, whose directory exists."""
        parent, name = paths.split(target_path)
        with paths.opened(paths.open_strict(self._root_fd, parent)) as target_fd:
            _clear(target_fd, name, target_path)
            self._note(target_path)
            with open(os.open(name, _CREATE, 0o600, dir_fd=target_fd), "wb", buffering=0) as file:
                file.write(data)
                truth = Truth(stat.S_IFREG | 0o644, 0, 0, 0)
                self._owners.set(file.fileno(), self._overridden(truth, mtime_ns=os.fstat(file.fileno()).st_mtime_ns))

    def _level(self, directory: _Directory, wanted: Mapping[str, bool] | None) -> list[_Directory]:
        """Copy the files of one directory and make its subdirectories; returns those."""
        with (
            paths.opened(paths.open_strict(self._view.fd, directory.source)) as source_fd,
            paths.opened(paths.open_strict(self._root_fd, directory.target)) as target_fd,
        ):
            return self._children(source_fd, target_fd, directory, wanted)

    def _children(
        self, source_fd: int, target_fd: int, directory: _Directory, wanted: Mapping[str, bool] | None
    ) -> list[_Directory]:
        made = []
        for name in sorted(os.listdir(source_fd)):
            child = directory.child(name)
            if not self._view.exists(child.source) or (wanted is not None and child.path not in wanted):
                continue
            status = os.stat(name, dir_fd=source_fd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                is_new = _make_directory(target_fd, name, child.target)
                self.written.add(child.target)
                if is_new and wanted is None and self._taking is not None and self._taking.take(child.source, child.target):
                    continue
                made.append(child._replace(is_taken=is_new or wanted is None or wanted[child.path], is_new=is_new))
            else:
                if not directory.is_new:
                    _clear(target_fd, name, child.target)
                self._copy(_Source(source_fd, name, child.source, status), target_fd, name, child.target)
        return made

    def _in_directories(self, source_path: str, target_path: str, act: Callable[[int, str, int, str, str], None]) -> None:
        """Call `act` with the open parents and names of two paths without links."""
        source_parent, source_name = paths.split(source_path)
        target_parent, target_name = paths.split(target_path)
        with (
            paths.opened(paths.open_strict(self._view.fd, source_parent)) as source_fd,
            paths.opened(paths.open_strict(self._root_fd, target_parent)) as target_fd,
        ):
            act(source_fd, source_name, target_fd, target_name, target_path)

    def _entry(
        self, source_path: str, source_fd: int, source_name: str, target_fd: int, target_name: str, target_path: str
    ) -> None:
        status = os.stat(source_name, dir_fd=source_fd, follow_symlinks=False)
        _clear(target_fd, target_name, target_path)
        self._copy(_Source(source_fd, source_name, source_path, status), target_fd, target_name, target_path)

    def _finish_directory(self, source_fd: int, source_name: str, target_fd: int, target_name: str, target_path: str) -> None:
        """Last, because entries made in a directory change its time, and its mode could forbid them."""
        with paths.opened(os.open(source_name, _READ | os.O_DIRECTORY, dir_fd=source_fd)) as source:
            status = os.fstat(source)
            with paths.opened(os.open(target_name, _READ | os.O_DIRECTORY, dir_fd=target_fd)) as target:
                self._owners.set(target, self._meta(status, source_name, source_fd, source))

    def _finish_passed(self, source_fd: int, source_name: str, target_fd: int, target_name: str, target_path: str) -> None:
        """A directory that was there, and isn't taken itself but something below it: BuildKit gives it the source's mode only."""
        status = os.stat(source_name, dir_fd=source_fd, follow_symlinks=False)
        mode = self._view.tree.truth(status, source_name, dir_fd=source_fd).mode
        with paths.opened(os.open(target_name, _READ | os.O_DIRECTORY, dir_fd=target_fd)) as target:
            before = os.fstat(target)
            truth = self._owners.truth(before, target_name, dir_fd=target_fd)
            xattrs = self._owners.xattrs(target, before)
            self._owners.set(target, Meta(mode, truth.uid, truth.gid, before.st_mtime_ns, 0, xattrs))

    def _note(self, target_path: str) -> None:
        """That there is something new, whatever was there."""
        self.written.add(target_path)
        self.left.pop(target_path, None)

    def _copy(self, source: _Source, target_fd: int, target_name: str, target_path: str) -> None:
        """One entry that isn't a directory, to where nothing is."""
        status = source.status
        self._note(target_path)
        if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            first = self._links.setdefault((status.st_dev, status.st_ino), target_path)
            if first != target_path:
                self._link(first, target_fd, target_name)
                if first in self.left:
                    self.left[target_path] = self.left[first]
                return
        meta = self._meta(status, source.name, source.dir_fd, None)
        if stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(source.name, dir_fd=source.dir_fd), target_name, dir_fd=target_fd)
            self._owners.set(target_name, meta, dir_fd=target_fd)
        elif stat.S_ISREG(meta.mode):
            self._regular(source, target_fd, target_name, target_path)
        else:
            self._owners.mknod(target_name, meta, dir_fd=target_fd)

    def _link(self, first: str, target_fd: int, target_name: str) -> None:
        with paths.find(self._root_fd, first, follow=False) as spot:
            os.link(spot.name, target_name, src_dir_fd=spot.dir_fd, dst_dir_fd=target_fd, follow_symlinks=False)

    def _regular(self, source: _Source, target_fd: int, target_name: str, target_path: str) -> None:
        status = source.status
        target = os.open(target_name, _CREATE, 0o600, dir_fd=target_fd)
        try:
            if stat.S_ISSOCK(status.st_mode):
                self._owners.set(target, self._meta(status, source.name, source.dir_fd, None))
                return
            with paths.opened(os.open(source.name, _READ, dir_fd=source.dir_fd)) as opened:
                if self._leaves and status.st_size >= WORTHWHILE:
                    self.left[target_path] = Left.of(self._view.tree.path, source.path, status)
                else:
                    copy_bytes(opened, target, size=status.st_size)
                self._owners.set(target, self._meta(status, source.name, source.dir_fd, opened))
        finally:
            os.close(target)

    def _meta(self, status: os.stat_result, name: str, dir_fd: int, fd: int | None) -> Meta:
        truth = self._view.tree.truth(status, name, dir_fd=dir_fd)
        xattrs = self._view.tree.xattrs(fd, status) if fd is not None else ()
        return self._overridden(truth, mtime_ns=status.st_mtime_ns, xattrs=xattrs)

    def _overridden(self, truth: Truth, *, mtime_ns: int, xattrs: tuple[tuple[str, bytes], ...] = ()) -> Meta:
        mode = truth.mode
        if stat.S_ISSOCK(mode):
            mode = stat.S_IFREG | stat.S_IMODE(mode)
        if self._override.mode is not None and not stat.S_ISLNK(mode):
            mode = stat.S_IFMT(mode) | self._override.mode.apply(mode, directory=stat.S_ISDIR(mode))
        uid, gid = self._override.owner or (truth.uid, truth.gid)
        return Meta(mode, uid, gid, mtime_ns, truth.rdev, xattrs)


def _make_directory(dir_fd: int, name: str, path: str) -> bool:
    """Whether it wasn't there."""
    try:
        os.mkdir(name, 0o700, dir_fd=dir_fd)
    except FileExistsError:
        if not stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            raise RootfsError(f"can't copy a directory over {'/' + path!r}, which isn't one") from None
        return False
    return True


def _clear(dir_fd: int, name: str, path: str) -> None:
    """Make room for a file."""
    try:
        os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        raise RootfsError(f"can't copy a file over the directory {'/' + path!r}") from error


def copy_bytes(source: int, target: int, *, size: int) -> None:
    """Copy all of one open file, `size` bytes by lstat(2), to another inside the kernel, where it can; else by a small buffer."""
    try:
        copied = 0
        while count := os.copy_file_range(source, target, _PIECE):
            copied += count
            if copied == size:
                return
        if copied:
            return
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
    # Files of /proc and the like claim to be empty to copy_file_range.
    while data := os.read(source, _BUFFER):
        view = memoryview(data)
        while len(view):
            view = view[os.write(target, view) :]
