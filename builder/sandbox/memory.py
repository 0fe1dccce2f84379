"""Memory of another process of the same user. Stdlib only.

By process_vm_readv(2), or through proc(5)'s `mem`, which takes twice as long, where a container's seccomp filter forbids that
(moby before 21).
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct
from collections.abc import Callable
from typing import TypeVar

_PAGE = 4096
_LONGEST_PATH = 4096
_FIRST = 256

_T = TypeVar("_T")


_PIECE = struct.Struct("@PN")  # struct iovec
_libc = ctypes.CDLL(None, use_errno=True)


def read(tid: int, address: int, size: int) -> bytes:
    """Exactly `size` bytes; raises OSError (EFAULT) if they aren't there."""
    data = _read(tid, address, size)
    if len(data) < size:
        raise _no_memory()
    return data


def read_text(tid: int, address: int) -> bytes:
    """What stands before the first NUL; raises OSError: EFAULT if there is nothing, ENAMETOOLONG if it isn't a path."""
    text = b""
    size = _FIRST
    while len(text) < _LONGEST_PATH:
        # Never beyond a page: the next one may not be there.
        part = _read(tid, address + len(text), min(size, _PAGE - (address + len(text)) % _PAGE))
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
    if _is_direct():
        buffer = ctypes.create_string_buffer(data, len(data))
        local, remote = _PIECE.pack(ctypes.addressof(buffer), len(data)), _PIECE.pack(address, len(data))
        done = _libc.process_vm_writev(tid, local, 1, remote, 1, 0)
    else:
        done = _through_proc(tid, os.O_WRONLY, lambda descriptor: os.pwrite(descriptor, data, address))
    if done != len(data):
        raise _no_memory()


def _read(tid: int, address: int, size: int) -> bytes:
    if not _is_direct():
        return _through_proc(tid, os.O_RDONLY, lambda descriptor: os.pread(descriptor, size, address))
    buffer = ctypes.create_string_buffer(size)
    local, remote = _PIECE.pack(ctypes.addressof(buffer), size), _PIECE.pack(address, size)
    done = _libc.process_vm_readv(tid, local, 1, remote, 1, 0)
    if done < 0:
        raise _no_memory()
    return buffer.raw[:done]


def _through_proc(tid: int, flags: int, work: Callable[[int], _T]) -> _T:
    descriptor = os.open(f"/proc/{tid}/mem", flags | os.O_CLOEXEC)
    try:
        return work(descriptor)
    except (OverflowError, OSError) as error:  # EIO where nothing is mapped
        raise _no_memory() from error
    finally:
        os.close(descriptor)


@functools.cache
def _is_direct() -> bool:
    """Whether the calls are allowed: tried on ourselves."""
    buffer = ctypes.create_string_buffer(1)
    piece = _PIECE.pack(ctypes.addressof(buffer), 1)
    return bool(_libc.process_vm_readv(os.getpid(), piece, 1, piece, 1, 0) == 1)


def _no_memory() -> OSError:
    return OSError(errno.EFAULT, os.strerror(errno.EFAULT))
