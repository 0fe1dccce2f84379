"""System calls about files: their owners, modes, devices and capabilities, and what a new file begins with. Stdlib only.

PRoot has translated every path already when a call comes here: it is absolute, has no link left to follow, and is ours to use.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from builder.sandbox import Beliefs, Truth, linux, memory
from builder.sandbox.believed import UNCHANGED, Believed, Register, with_program
from builder.sandbox.fake_ids import Handler
from builder.sandbox.seccomp import CREATES, Call, Listener
from builder.values import dataclass

_O_PATH = os.O_PATH | os.O_CLOEXEC
_O_TMPFILE = 0x400000
_AT_SYMLINK_NOFOLLOW, _AT_EMPTY_PATH = 0x100, 0x1000
_CAPABILITY = b"security.capability"
_CREATE_ONLY, _REPLACE_ONLY = 1, 2
_LONGEST_VALUE = 64  # bytes; struct vfs_ns_cap_data has 24
_CAP_SETFCAP = 31
_OURSELVES = (b"/proc/self", b"/proc/thread-self")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Answers from `book` and `register`; a file belongs to a command if it lies below one of `trees`.

    `given` has files that the book doesn't know, by device and inode.
    """

    book: Beliefs
    register: Register
    listener: Listener
    trees: tuple[str, ...]
    given: dict[tuple[int, int], Truth]

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "stat": lambda call: self._stat(call, self._path(call, 0), 1),
            "lstat": lambda call: self._stat(call, self._path(call, 0), 1, follow=False),
            "fstat": lambda call: self._stat_open(call, _descriptor(call, 0), 1),
            "newfstatat": self._stat_at,
            "open": lambda call: self._open(call, 0, call.arguments[1], 2),
            "openat": lambda call: self._open(call, 1, call.arguments[2], 3),
            "creat": lambda call: self._open(call, 0, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 1),
            "mkdir": lambda call: self._mkdir(call, 0, 1),
            "mkdirat": lambda call: self._mkdir(call, 1, 2),
            "symlink": lambda call: self._symlink(call, 1),
            "symlinkat": lambda call: self._symlink(call, 2),
            "mknod": lambda call: self._mknod(call, 0),
            "mknodat": lambda call: self._mknod(call, 1),
            "chmod": lambda call: self._chmod(call, self._path(call, 0), 1),
            "fchmod": lambda call: self._chmod(call, _descriptor(call, 0), 1),
            "fchmodat": lambda call: self._chmod(call, self._path(call, 1), 2),
            "chown": lambda call: self._chown(call, self._path(call, 0), 1),
            "lchown": lambda call: self._chown(call, self._path(call, 0), 1, follow=False),
            "fchown": lambda call: self._chown(call, _descriptor(call, 0), 1),
            "fchownat": self._chown_at,
            "setxattr": lambda call: self._set_xattr(call, self._path(call, 0)),
            "lsetxattr": lambda call: self._set_xattr(call, self._path(call, 0), follow=False),
            "fsetxattr": lambda call: self._set_xattr(call, _descriptor(call, 0)),
            "getxattr": lambda call: self._get_xattr(call, self._path(call, 0)),
            "lgetxattr": lambda call: self._get_xattr(call, self._path(call, 0), follow=False),
            "fgetxattr": lambda call: self._get_xattr(call, _descriptor(call, 0)),
            "listxattr": lambda call: self._list_xattrs(call, self._path(call, 0)),
            "llistxattr": lambda call: self._list_xattrs(call, self._path(call, 0), follow=False),
            "flistxattr": lambda call: self._list_xattrs(call, _descriptor(call, 0)),
            "removexattr": lambda call: self._remove_xattr(call, self._path(call, 0)),
            "lremovexattr": lambda call: self._remove_xattr(call, self._path(call, 0), follow=False),
            "fremovexattr": lambda call: self._remove_xattr(call, _descriptor(call, 0)),
        }

    def _stat_at(self, call: Call) -> int | None:
        flags = call.arguments[3]
        path = memory.read_text(call.tid, call.arguments[1])
        if not path and flags & _AT_EMPTY_PATH:
            return self._stat_open(call, _descriptor(call, 0), 2)
        return self._stat(call, path, 2, follow=not flags & _AT_SYMLINK_NOFOLLOW)

    def _stat(self, call: Call, path: bytes, buffer: int, *, follow: bool = True) -> int | None:
        """The commonest of all calls, and done with as few as can be: PRoot leaves no last link to follow."""
        if path.startswith(_OURSELVES):
            return None
        try:
            status = os.stat(path, follow_symlinks=follow)
            truth = self._truth(status, os.fsdecode(path))
        except OSError:  # the kernel knows best what is wrong
            return None
        return self._tell(call, call.arguments[buffer], status, truth)

    def _stat_open(self, call: Call, path: bytes, buffer: int) -> int | None:
        try:
            with _held(path) as target:
                status = os.fstat(target)
                truth = self._truth(status, target)
        except OSError:
            return None
        return self._tell(call, call.arguments[buffer], status, truth)

    def _tell(self, call: Call, address: int, status: os.stat_result, truth: Truth) -> int:
        self._write(call, address, _packed_status(status, *truth))
        return 0

    def _open(self, call: Call, path: int, flags: int, mode: int) -> int | None:
        """A new file gets its owner; one that is there is opened by the kernel."""
        if not flags & CREATES:
            self._executed(call, path)
            return None
        believed = self.register.of(call.tid)
        if flags & _O_TMPFILE:
            if believed.is_root and believed.groups.file == 0:
                return None
            raise _error(errno.EOPNOTSUPP)  # whoever asks makes a file with a name then, which can be followed
        new = self._new(call, path, believed, stat.S_IFREG | call.arguments[mode] & 0o7777)
        if new is None or flags & os.O_DIRECTORY:
            return None
        try:
            made = os.open(new.path, flags & ~os.O_TRUNC | os.O_CREAT | os.O_EXCL | os.O_NOCTTY | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
            return None
        try:
            self._become(made, new.truth)
            return self.listener.add(call, made, close_on_exec=bool(flags & os.O_CLOEXEC))
        finally:
            os.close(made)

    def _executed(self, call: Call, path: int) -> None:
        """PRoot's loader opens a program, and then that program's interpreter, which has no set-id bits."""
        with _held(self._path(call, path)) as target:
            mode, uid, gid, _ = self._truth(os.fstat(target), target)
        old = self.register.of(call.tid)
        new = with_program(old, mode, uid, gid)
        if new != old:
            self.register.note(call.tid, new)

    def _mkdir(self, call: Call, path: int, mode: int) -> int | None:
        new = self._new(call, path, self.register.of(call.tid), stat.S_IFDIR | call.arguments[mode] & 0o1777)
        if new is None:
            return None
        os.mkdir(new.path, 0o700)
        return self._begin(new)

    def _symlink(self, call: Call, path: int) -> int | None:
        new = self._new(call, path, self.register.of(call.tid), stat.S_IFLNK | 0o777)
        if new is None:
            return None
        os.symlink(memory.read_text(call.tid, call.arguments[0]), new.path)
        return self._begin(new)

    def _mknod(self, call: Call, path: int) -> int | None:
        mode, device = call.arguments[path + 1] & 0o177777, call.arguments[path + 2] & 0xFFFFFFFF
        believed, kind = self.register.of(call.tid), stat.S_IFMT(mode) or stat.S_IFREG
        is_device = stat.S_ISCHR(kind) or stat.S_ISBLK(kind)
        if is_device and not believed.may(linux.CAP_MKNOD):
            raise _error(errno.EPERM)
        new = self._new(call, path, believed, kind | mode & 0o7777, device=device if is_device else None)
        if new is None:
            return None
        os.mknod(new.path, stat.S_IFREG | 0o600 if is_device else kind | 0o600)
        return self._begin(new)

    def _new(self, call: Call, path: int, believed: Believed, mode: int, *, device: int | None = None) -> _New | None:
        """What is to be made; None if what the kernel makes is right: root's, and open to whoever builds."""
        place = self._path(call, path)
        gid, inherits = believed.groups.file, False
        try:
            with _held(os.path.dirname(place)) as parent:
                status = os.fstat(parent)
                if status.st_mode & stat.S_ISGID:
                    gid, inherits = self._truth(status, parent)[2], True
        except OSError:
            return None
        needed = 0o700 if stat.S_ISDIR(mode) else 0o600
        is_usual = (believed.users.file, gid) == (0, 0) and mode & needed == needed and device is None
        if is_usual or not self._is_inside(os.fsdecode(place)):
            return None
        if not stat.S_ISLNK(mode):
            mode &= ~_umask(call.tid)
        if inherits and stat.S_ISDIR(mode):
            mode |= stat.S_ISGID
        return _New(place, (mode, believed.users.file, gid, device or 0))

    def _begin(self, new: _New) -> int:
        with _held(new.path, follow=False) as target:
            self._become(target, new.truth)
        return 0

    def _chmod(self, call: Call, path: bytes, mode: int) -> int | None:
        believed = self.register.of(call.tid)
        with _held(path) as target:
            old = self._truth(os.fstat(target), target)
            if believed.users.file != old[1] and not believed.may(linux.CAP_FOWNER):
                raise _error(errno.EPERM)
            wanted = call.arguments[mode] & 0o7777
            if not stat.S_ISDIR(old[0]) and not believed.is_in(old[2]) and not believed.may(linux.CAP_FSETID):
                wanted &= ~stat.S_ISGID
            if self._is_open_inside(target):
                self._become(target, (stat.S_IFMT(old[0]) | wanted, *old[1:]))
        return 0

    def _chown_at(self, call: Call) -> int | None:
        flags = call.arguments[4]
        return self._chown(call, self._path_at(call, 0, 1, flags), 2, follow=not flags & _AT_SYMLINK_NOFOLLOW)

    def _chown(self, call: Call, path: bytes, owner: int, *, follow: bool = True) -> int | None:
        """What isn't of the command's tree, standard output for instance, stays as it is; root need not know."""
        uid, gid = (number & 0xFFFFFFFF for number in call.arguments[owner : owner + 2])
        believed = self.register.of(call.tid)
        with _held(path, follow=follow) as target:
            old = self._truth(os.fstat(target), target)
            if not believed.may(linux.CAP_CHOWN) and not _may_give(believed, old, uid, gid):
                raise _error(errno.EPERM)
            if self._is_open_inside(target):
                new = (_without_set_ids(old[0]), old[1] if uid == UNCHANGED else uid, old[2] if gid == UNCHANGED else gid, old[3])
                self._become(target, new)
                if self.book.capability(target) is not None:
                    self.book.set_capability(target, None)
        return 0

    def _set_xattr(self, call: Call, path: bytes, *, follow: bool = True) -> int | None:
        if not self._is_about_capabilities(call):
            return None
        _, _, value, size, flags, *_ = call.arguments
        if not self.register.of(call.tid).may(_CAP_SETFCAP):
            raise _error(errno.EPERM)
        if size > _LONGEST_VALUE:
            raise _error(errno.EINVAL)
        with _held(path, follow=follow) as target:
            there = self.book.capability(target) is not None
            if (flags & _CREATE_ONLY and there) or (flags & _REPLACE_ONLY and not there):
                raise _error(errno.EEXIST if there else errno.ENODATA)
            self.book.set_capability(target, memory.read(call.tid, value, size))
        return 0

    def _get_xattr(self, call: Call, path: bytes, *, follow: bool = True) -> int | None:
        if not self._is_about_capabilities(call):
            return None
        with _held(path, follow=follow) as target:
            value = self.book.capability(target)
        return None if value is None else self._fill(call, value)

    def _list_xattrs(self, call: Call, path: bytes, *, follow: bool = True) -> int | None:
        with _held(path, follow=follow) as target:
            if self.book.capability(target) is None:
                return None
            names = os.listxattr(f"/proc/self/fd/{target}")
        listed = b"".join(os.fsencode(name) + b"\0" for name in names) + _CAPABILITY + b"\0"
        address, size = call.arguments[1:3]
        return self._fill(call._replace(arguments=(0, 0, address, size)), listed)

    def _remove_xattr(self, call: Call, path: bytes, *, follow: bool = True) -> int | None:
        if not self._is_about_capabilities(call):
            return None
        with _held(path, follow=follow) as target:
            if not self.register.of(call.tid).may(_CAP_SETFCAP):
                raise _error(errno.EPERM)
            if self.book.capability(target) is None:
                if os.fsdecode(_CAPABILITY) in os.listxattr(f"/proc/self/fd/{target}"):
                    return None
                raise _error(errno.ENODATA)
            self.book.set_capability(target, None)
        return 0

    def _fill(self, call: Call, value: bytes) -> int:
        """As all of these calls do: without a buffer they tell the size."""
        address, size = call.arguments[2:4]
        if size and size < len(value):
            raise _error(errno.ERANGE)
        if size:
            self._write(call, address, value)
        return len(value)

    def _is_about_capabilities(self, call: Call) -> bool:
        return memory.read_text(call.tid, call.arguments[1]) == _CAPABILITY

    def _path_at(self, call: Call, directory: int, path: int, flags: int) -> bytes:
        found = memory.read_text(call.tid, call.arguments[path]) if call.arguments[path] else b""
        return found if found or not flags & _AT_EMPTY_PATH else _descriptor(call, directory)

    def _path(self, call: Call, index: int) -> bytes:
        return memory.read_text(call.tid, call.arguments[index])

    def _truth(self, status: os.stat_result, target: int | str) -> Truth:
        given = self.given.get((status.st_dev, status.st_ino)) if self.given else None
        return given or self.book.truth(status, target)

    def _become(self, target: int, truth: Truth) -> None:
        status = os.fstat(target)
        if (status.st_dev, status.st_ino) in self.given:
            self.given[status.st_dev, status.st_ino] = truth
        else:
            self.book.become(target, truth)

    def _write(self, call: Call, address: int, data: bytes) -> None:
        if self.listener.is_waiting(call):
            memory.write(call.tid, address, data)

    def _is_open_inside(self, target: int) -> bool:
        return self._is_inside(os.readlink(f"/proc/self/fd/{target}"))

    def _is_inside(self, path: str) -> bool:
        return any(path == tree or path.startswith(f"{tree}/") for tree in self.trees)


@dataclass(frozen=True, slots=True)
class _New:
    path: bytes
    truth: Truth


def _may_give(believed: Believed, old: Truth, uid: int, gid: int) -> bool:
    """chown(2) without CAP_CHOWN: the owner may change the group, to one that he is in."""
    is_owner = believed.users.file == old[1]
    return is_owner and uid in (UNCHANGED, old[1]) and (gid in (UNCHANGED, old[2]) or believed.is_in(gid))


def _without_set_ids(mode: int) -> int:
    """As chown(2) clears them, for root too (chown_common in fs/open.c)."""
    if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
        return mode
    return mode & ~(stat.S_ISUID | (stat.S_ISGID if mode & stat.S_IXGRP else 0))


@contextmanager
def _held(path: bytes, *, follow: bool = True) -> Iterator[int]:
    target = os.open(path, _O_PATH if follow else _O_PATH | os.O_NOFOLLOW)
    try:
        yield target
    finally:
        os.close(target)


def _descriptor(call: Call, index: int) -> bytes:
    """The name of what the process has open."""
    number = call.arguments[index] & 0xFFFFFFFF
    return b"/proc/%d/cwd" % call.tid if number >> 31 else b"/proc/%d/fd/%d" % (call.tid, number)


def _umask(tid: int) -> int:
    with open(f"/proc/{tid}/status", "rb") as file:
        return next(int(line.split()[1], 8) for line in file if line.startswith(b"Umask:"))


_MACHINE = os.uname().machine
_STATUS = struct.Struct("=QQQIIIIQqqqqQqQqQ3q" if _MACHINE == "x86_64" else "=QQIIIIQQqiiqqQqQqQII")


def _packed_status(status: os.stat_result, mode: int, uid: int, gid: int, rdev: int) -> bytes:
    """struct stat of the kernel (asm/stat.h): arch/x86's own, or include/uapi/asm-generic's."""
    times = (
        *divmod(status.st_atime_ns, 1_000_000_000),
        *divmod(status.st_mtime_ns, 1_000_000_000),
        *divmod(status.st_ctime_ns, 1_000_000_000),
    )
    dev, ino, links, size, block, blocks = (
        status.st_dev, status.st_ino, status.st_nlink, status.st_size, status.st_blksize, status.st_blocks,
    )  # fmt: skip
    if _MACHINE == "x86_64":
        return _STATUS.pack(dev, ino, links, mode, uid, gid, 0, rdev, size, block, blocks, *times, 0, 0, 0)
    return _STATUS.pack(dev, ino, mode, links, uid, gid, rdev, 0, size, block, 0, blocks, *times, 0, 0)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
