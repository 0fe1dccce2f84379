"""Memory of another process of the same user, through proc(5)'s `mem`. Stdlib only.

process_vm_readv(2) would be faster, but a container's seccomp filter may forbid it where ptrace(2) is allowed (moby before 21).
"""

from __future__ import annotations

import errno
import os

_PAGE = 4096
_LONGEST_PATH = 4096
_FIRST = 256


def read(tid: int, address: int, size: int) -> bytes:
    """Exactly `size` bytes; raises OSError (EFAULT) if they aren't there."""
    descriptor = _opened(tid, os.O_RDONLY)
    try:
        data = _read(descriptor, address, size)
    finally:
        os.close(descriptor)
    if len(data) < size:
        raise _no_memory()
    return data


def read_text(tid: int, address: int) -> bytes:
    """What stands before the first NUL; raises OSError: EFAULT if there is nothing, ENAMETOOLONG if it isn't a path."""
    descriptor = _opened(tid, os.O_RDONLY)
    try:
        return _text(descriptor, address)
    finally:
        os.close(descriptor)


def _text(descriptor: int, address: int) -> bytes:
    text = b""
    size = _FIRST
    while len(text) < _LONGEST_PATH:
        # Never beyond a page: the next one may not be there.
        part = _read(descriptor, address + len(text), min(size, _PAGE - (address + len(text)) % _PAGE))
        if not part:
            raise _no_memory()
        end = part.find(b"\0")
        if end >= 0:
            return text + part[:end]
        text += part
        size = _PAGE
    raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def write(tid: int, address: int, data: bytes) -> None:
    """All of `data`; raises OSError (EFAULT) if there is no place for it."""
    descriptor = _opened(tid, os.O_WRONLY)
    try:
        if os.pwrite(descriptor, data, address) < len(data):
            raise _no_memory()
    except (OverflowError, OSError) as error:
        raise _no_memory() from error
    finally:
        os.close(descriptor)


def _opened(tid: int, flags: int) -> int:
    return os.open(f"/proc/{tid}/mem", flags | os.O_CLOEXEC)


def _read(descriptor: int, address: int, size: int) -> bytes:
    try:
        return os.pread(descriptor, size, address)
    except (OverflowError, OSError) as error:  # EIO where nothing is mapped
        raise _no_memory() from error


def _no_memory() -> OSError:
    return OSError(errno.EFAULT, os.strerror(errno.EFAULT))
