"""The true owner, mode, device number and attributes of the files of a Rootfs, also where the kernel refuses to store them.

Without the right to chown, mknod or set `security.*` attributes (a user namespace with one uid, a container without capabilities)
they are kept in a book in memory, under the inode number and its time of birth, which no later file with the same number shares.
Everyone who makes or reads a file of the Rootfs asks here. Where the kernel grants everything the book stays empty and costs one
comparison a file.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import struct
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

_REFUSED = frozenset({errno.EPERM, errno.EINVAL, errno.EACCES})
_UNSUPPORTED = _REFUSED | {errno.ENOTSUP, errno.ENOSYS}
_AT_EMPTY_PATH = 0x1000
_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_BTIME = 0x800

_CAPABILITY = "security.capability"
KEPT_XATTRS = (_CAPABILITY,)
KEPT_XATTR_PREFIX = "user."
"""What an image layer keeps of a file's extended attributes: capabilities and the user's own."""


class Meta(NamedTuple):
    """What a file is apart from its content: `mode` with the type bits, `mtime_ns` in nanoseconds since the epoch."""

    mode: int
    uid: int
    gid: int
    mtime_ns: int
    rdev: int = 0
    xattrs: tuple[tuple[str, bytes], ...] = ()


class Truth(NamedTuple):
    mode: int
    uid: int
    gid: int
    rdev: int


class _Record(NamedTuple):
    born_ns: int
    stored: int  # permission bits that the file really had when this was noted
    truth: Truth
    xattrs: tuple[tuple[str, bytes], ...]


class Owners:
    """One a Rootfs; `directory` is a scratch directory on the same filesystem, in which the kernel is asked what it permits."""

    def __init__(self, directory: Path) -> None:
        self._reads_all = _overrides_modes(directory)
        euid = os.geteuid()
        # Everything a non-root builder makes belongs to itself; unless the book says otherwise that means root.
        self._self = (euid, os.getegid()) if euid else None
        self._book: dict[int, _Record] = {}

    @property
    def plain(self) -> bool:
        """Whether lstat(2) tells the truth about every file."""
        return self._reads_all and not self._book and self._self is None

    def set(self, target: int | str, meta: Meta, *, dir_fd: int | None = None) -> None:
        """Give a file made by us its metadata, or note in the book what the kernel refuses.

        `target` is a descriptor, or a name in `dir_fd` that isn't followed.
        """
        # chown clears set-id bits and capabilities, so it comes first; writing is over by now.
        refused = not self._chown(target, meta, dir_fd)
        if not stat.S_ISLNK(meta.mode):
            refused |= not self._chmod(target, meta.mode, dir_fd)
        lost = _set_xattrs(target, meta.xattrs) if meta.xattrs and isinstance(target, int) else ()
        os.utime(target, ns=(meta.mtime_ns, meta.mtime_ns), **_at(target, dir_fd))
        if refused or lost or self._book:
            self._note(target, dir_fd, Truth(meta.mode, meta.uid, meta.gid, meta.rdev), lost, refused=refused)

    def _chown(self, target: int | str, meta: Meta, dir_fd: int | None) -> bool:
        if self._self is not None:
            # What really is ours means root, so that nobody else's can be stored, not even our own.
            return (meta.uid, meta.gid) == (0, 0)
        try:
            os.chown(target, meta.uid, meta.gid, **_at(target, dir_fd))
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            return False
        return True

    def _chmod(self, target: int | str, mode: int, dir_fd: int | None) -> bool:
        granted = self._granted(mode)
        if dir_fd is None:
            os.chmod(target, granted)
        else:
            os.chmod(target, granted, dir_fd=dir_fd)
        return granted == stat.S_IMODE(mode)

    def _granted(self, mode: int) -> int:
        """The permission bits that a file gets really: the builder, and fake root, must be able to use what they have made.

        Set-id bits of a file mean nothing where root isn't real, and would be lost as soon as somebody writes to it.
        """
        if self._reads_all:
            return stat.S_IMODE(mode)
        if stat.S_ISDIR(mode):
            return stat.S_IMODE(mode) | 0o700
        return mode & 0o1777 | 0o600 | (0o100 if mode & 0o111 else 0)

    def mknod(self, name: str, meta: Meta, *, dir_fd: int) -> None:
        """Make a device node or FIFO with its metadata; one that is refused becomes an empty file with an entry in the book."""
        try:
            os.mknod(name, stat.S_IFMT(meta.mode) | 0o600, meta.rdev, dir_fd=dir_fd)
            self.set(name, meta, dir_fd=dir_fd)
        except PermissionError:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=dir_fd))
            self.set(name, meta, dir_fd=dir_fd)
            self._note(name, dir_fd, Truth(meta.mode, meta.uid, meta.gid, meta.rdev), (), refused=True)

    def record(self, name: str, truth: Truth, *, dir_fd: int) -> None:
        """Note what a program believes it has done to a file, when a sandbox only let it believe so."""
        status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        self._note(name, dir_fd, truth, self._recorded_xattrs(status, name, dir_fd), refused=True)

    def learn(self, other: Owners) -> None:
        """Take over what another book has noted of files that both may see, as those of a cache mount."""
        self._book = {**other._book, **self._book}

    def become(self, target: int, truth: tuple[int, int, int, int]) -> None:
        """Give a file this mode, owner and device number as root could: really where the kernel permits it, else in the book.

        `target` is a descriptor of any kind, O_PATH too. The ctime moves in any case, as it would for root.
        """
        new, path = Truth(*truth), f"/proc/self/fd/{target}"
        xattrs = self._recorded_xattrs(os.fstat(target), target)
        if self._self is None:
            with contextlib.suppress(PermissionError):
                os.chown(path, new.uid, new.gid)
        if stat.S_ISLNK(new.mode):
            _touch(target)
        else:
            os.chmod(path, self._granted(new.mode))
        self._settle(target, new, xattrs)

    def capability(self, target: int) -> bytes | None:
        """The security.capability that the book has for an open file."""
        return dict(self._recorded_xattrs(os.fstat(target), target)).get(_CAPABILITY) if self._book else None

    def set_capability(self, target: int, value: bytes | None) -> None:
        """Give an open file (O_PATH will do) this security.capability, or remove the one that the book has."""
        status = os.fstat(target)
        truth = self.truth(status, target)
        xattrs = dict(self._recorded_xattrs(status, target))
        xattrs.pop(_CAPABILITY, None)
        if value is not None:
            try:
                os.setxattr(f"/proc/self/fd/{target}", _CAPABILITY, value)
            except OSError as error:
                if error.errno not in _UNSUPPORTED:
                    raise
                xattrs[_CAPABILITY] = value
        _touch(target)
        self._settle(target, truth, tuple(sorted(xattrs.items())))

    def _settle(self, target: int, truth: Truth, xattrs: tuple[tuple[str, bytes], ...]) -> None:
        """Note what lstat(2) would not tell."""
        self._note(target, None, truth, xattrs, refused=self._told(os.fstat(target)) != truth)

    def _note(
        self, target: int | str, dir_fd: int | None, truth: Truth, xattrs: tuple[tuple[str, bytes], ...], *, refused: bool
    ) -> None:
        status = os.stat(target, **_at(target, dir_fd))
        if refused or xattrs:
            self._book[status.st_ino] = _Record(_born_ns(target, dir_fd), stat.S_IMODE(status.st_mode), truth, xattrs)
        else:
            self._book.pop(status.st_ino, None)

    def opened_up(self, status: os.stat_result, name: str, *, dir_fd: int) -> os.stat_result:
        """Make sure that a file or directory can be read, as far as its owner can; the mode it had goes into the book."""
        needed = 0o700 if stat.S_ISDIR(status.st_mode) else 0o400 if stat.S_ISREG(status.st_mode) else 0
        if self._reads_all or status.st_mode & needed == needed:
            return status
        truth = self.truth(status, name, dir_fd=dir_fd)
        os.chmod(name, stat.S_IMODE(status.st_mode) | needed, dir_fd=dir_fd)
        self.record(name, truth, dir_fd=dir_fd)
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)

    def truth(self, status: os.stat_result, name: int | str, *, dir_fd: int | None = None) -> Truth:
        """Mode, owner and device number of the file that `status` (from lstat) is about."""
        record = self._book.get(status.st_ino)
        if record is not None and record.born_ns == _born_ns(name, dir_fd):
            mode = stat.S_IMODE(status.st_mode)
            if mode == record.stored:
                return record.truth
            # Somebody has really changed the mode since; the rest still holds.
            return record.truth._replace(mode=stat.S_IFMT(record.truth.mode) | mode)
        return self._told(status)

    def _told(self, status: os.stat_result) -> Truth:
        """What a file is according to lstat(2) alone."""
        uid, gid = status.st_uid, status.st_gid
        if self._self is not None:
            uid = 0 if uid == self._self[0] else uid
            gid = 0 if gid == self._self[1] else gid
        return Truth(status.st_mode, uid, gid, status.st_rdev)

    def xattrs(self, fd: int, status: os.stat_result) -> tuple[tuple[str, bytes], ...]:
        """The attributes of an open file that layers keep, sorted."""
        found = stored_xattrs(fd)
        return tuple(sorted({**dict(found), **dict(self._recorded_xattrs(status, fd))}.items())) if self._book else found

    def _recorded_xattrs(
        self, status: os.stat_result, target: int | str, dir_fd: int | None = None
    ) -> tuple[tuple[str, bytes], ...]:
        record = self._book.get(status.st_ino)
        return record.xattrs if record is not None and record.born_ns == _born_ns(target, dir_fd) else ()


def _touch(target: int) -> None:
    """Move the ctime and nothing else; the link in /proc leads to a symbolic link itself."""
    status = os.fstat(target)
    os.utime(f"/proc/self/fd/{target}", ns=(status.st_atime_ns, status.st_mtime_ns))


def keeps_xattr(name: str) -> bool:
    """Whether layers keep this extended attribute."""
    return name in KEPT_XATTRS or name.startswith(KEPT_XATTR_PREFIX)


def _at(target: int | str, dir_fd: int | None) -> dict[str, Any]:
    """Keyword arguments for a call on a descriptor, or on a name that isn't followed."""
    return {} if isinstance(target, int) else {"dir_fd": dir_fd, "follow_symlinks": False}


def stored_xattrs(fd: int) -> tuple[tuple[str, bytes], ...]:
    """The attributes of an open file that layers keep, as the filesystem has them, sorted."""
    return tuple((name, os.getxattr(fd, name)) for name in sorted(list_xattrs(fd)) if keeps_xattr(name))


def list_xattrs(target: int | str) -> list[str]:
    """The names of a file's attributes, none where the filesystem has none; a path is not followed."""
    try:
        return os.listxattr(target) if isinstance(target, int) else os.listxattr(target, follow_symlinks=False)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return []
        raise


def _set_xattrs(fd: int, xattrs: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    """Set them and return those that were refused."""
    lost = []
    for name, value in xattrs:
        try:
            os.setxattr(fd, name, value)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            lost.append((name, value))
    return tuple(lost)


def _overrides_modes(directory: Path) -> bool:
    """Whether files without any permission bit can be opened all the same (CAP_DAC_OVERRIDE)."""
    handle, name = tempfile.mkstemp(dir=directory, prefix=".probe-")
    try:
        os.fchmod(handle, 0)
        os.close(os.open(name, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        return False
    finally:
        os.close(handle)
        os.unlink(name)
    return True


def _born_ns(target: int | str, dir_fd: int | None) -> int:
    """The file's time of birth, statx(2), in nanoseconds; 0 where kernel, C library or filesystem don't tell."""
    statx = getattr(_LIBC, "statx", None)
    if statx is None:
        return 0
    answer = ctypes.create_string_buffer(256)
    if isinstance(target, int):
        failed = statx(target, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer)
    else:
        failed = statx(-100 if dir_fd is None else dir_fd, os.fsencode(target), _AT_SYMLINK_NOFOLLOW, _STATX_BTIME, answer)
    # struct statx: stx_mask at 0, stx_btime at 80 (seconds, then nanoseconds).
    mask, seconds, nanoseconds = struct.unpack_from("=I76xqI", answer)
    return 0 if failed or not mask & _STATX_BTIME else int(seconds) * 1_000_000_000 + int(nanoseconds)


_LIBC = ctypes.CDLL(None, use_errno=True)
