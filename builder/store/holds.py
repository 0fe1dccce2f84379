"""What a process needs of a store, so that nobody deletes it: each blob is open and locked (flock) until the process lets go.

A held manifest or index stands for all that it refers to, so an image costs one descriptor. A killed process holds nothing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from builder.errors import StoreError
from builder.image.digest import Digest
from builder.locks import unless_used


class Holds:
    """A context manager; threads may share it. `take` must be called under the store's lock, which deleters have exclusively."""

    def __init__(self) -> None:
        self._descriptors: dict[Digest, int] = {}
        self._mutex = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release(list(self._descriptors))

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._descriptors

    def take(self, digest: Digest, path: Path) -> bool:
        """Hold the blob in the file `path`; whether it is there. Its mtime says from now on that it was used."""
        with self._mutex:
            if digest in self._descriptors:
                return True
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            except PermissionError as error:
                raise StoreError(f"can't read {str(path)!r}: {error.strerror}") from error
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            self._descriptors[digest] = descriptor
        _touch(descriptor)
        return True

    def release(self, digests: Iterable[Digest]) -> None:
        """Let go of those that are held."""
        with self._mutex:
            for descriptor in (self._descriptors.pop(digest, None) for digest in digests):
                if descriptor is not None:
                    os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process needs this file, as far as can be told now. One that is gone counts as such."""
    with unless_used(path) as lock:
        return lock is None


def _touch(descriptor: int) -> None:
    try:
        os.utime(descriptor)
    except OSError as error:  # a store that can only be read is used all the same
        if error.errno not in (errno.EROFS, errno.EPERM, errno.EACCES):
            raise
