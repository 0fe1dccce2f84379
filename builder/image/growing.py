"""A blob that is being written, for who sends it on meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from builder.image.blob import Blob

_PIECE = 128 << 10


class GivenUp(Exception):
    """The blob will never be whole, or nobody wants it any more."""


class Growing:
    """The writer says how far it has come; others read behind it, each from the beginning, in threads of their own.

    The file may be renamed meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._changed = threading.Condition()
        self._size = 0
        self._blob: Blob | None = None
        self._given_up = False

    def __del__(self) -> None:
        os.close(self._fd)

    def grow(self, size: int) -> None:
        """There are `size` bytes now."""
        with self._changed:
            self._size = size
            self._changed.notify_all()

    def complete(self, blob: Blob) -> None:
        """It is this one, all of which has been written."""
        with self._changed:
            self._blob, self._size = blob, blob.descriptor.size
            self._changed.notify_all()

    def give_up(self) -> None:
        """It won't be whole, or nobody wants it: who reads it is told."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[memoryview]:
        """All bytes, as they come; each piece is overwritten by the next. Raises GivenUp."""
        buffer, offset = memoryview(bytearray(_PIECE)), 0
        while end := self._more(offset):
            while offset < end:
                count = os.preadv(self._fd, [buffer[: min(_PIECE, end - offset)]], offset)
                offset += count
                yield buffer[:count]

    def blob(self) -> Blob:
        """What it has become; waits for it. Raises GivenUp."""
        with self._changed:
            self._wait_for(lambda: self._blob is not None)
            assert self._blob is not None
            return self._blob

    def has(self, size: int) -> bool:
        """Wait until there are so many bytes; False if there will be fewer. Raises GivenUp."""
        with self._changed:
            self._wait_for(lambda: self._size >= size or self._blob is not None)
            return self._size >= size

    def _more(self, offset: int) -> int:
        """How far it has come beyond `offset`, when it has; 0 when that is all."""
        with self._changed:
            self._wait_for(lambda: self._size > offset or self._blob is not None)
            return self._size if self._size > offset else 0

    def _wait_for(self, ready: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: ready() or self._given_up)
        if self._given_up:
            raise GivenUp


Send = Callable[[Growing], None]
"""Takes note of a blob whose writing begins, and returns at once."""
