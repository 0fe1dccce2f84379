"""Downloads as one stream of bytes, whatever happens to the connections that they come by.

`Resumable` is for servers of which nothing is known: one answer, continued by another where it broke off. `Ranged` is for stores
whose objects have a size and a version, and of which several ranges can be had at the same time.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from builder.errors import ContextError
from builder.retry import Retry, Transient
from builder.values import dataclass

CHUNK = 1 << 20
"""Bytes in one piece of a stream."""

_RANGE = 8 << 20  # bytes
_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The bytes of something from `start` on, by one connection; `read` raises Transient when that breaks.

    `total` is the length of the whole, if told; `version` changes when the content does, and is empty if there is none.
    """

    start: int
    total: int | None
    version: str
    read: Callable[[int], bytes]
    close: Callable[[], None]


OpenPart = Callable[[int, str], Part]
"""Offset and version that are wanted → a Part that begins there, or at 0 if the server can't do better."""


class Resumable(io.RawIOBase):
    """The bytes of `name`; it begins at once, so that what can't be had is known at once.

    A part that has to begin anew must bring the same bytes again, which their digest tells. Raises ContextError.
    """

    def __init__(self, open_part: OpenPart, *, name: str, retry: Retry) -> None:
        super().__init__()
        self._open_part = open_part
        self._name = name
        self._retry = retry
        self._offset = 0
        self._failures = 0
        self._seen = hashlib.sha256()
        self._part = self._opened()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._some(view.nbytes)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed and hasattr(self, "_part"):
            self._part.close()
        super().close()

    def _some(self, most: int) -> bytes:
        """At least one byte, but at the end."""
        while True:
            try:
                data = self._part.read(most)
                total = self._part.total
                if not data and total is not None and self._offset < total:
                    raise Transient(ContextError(f"{self._name}: the answer ended after {self._offset} of {total} bytes"))
            except Transient as failure:
                self._go_on(failure)
                continue
            if data:
                self._offset += len(data)
                self._failures = 0
                self._seen.update(data)
            return data

    def _go_on(self, failure: Transient) -> None:
        """A new part from where this one broke off."""
        self._part.close()
        self._wait(failure)
        self._part = self._opened()

    def _wait(self, failure: Transient) -> None:
        """Failures count from the last byte that came."""
        self._failures += 1
        if self._failures >= self._retry.tries:
            raise self._retry.exhausted(failure) from failure
        self._retry.pause(self._failures, failure)

    def _opened(self) -> Part:
        while True:
            try:
                part = self._open_part(self._offset, self._part.version if self._offset else "")
                try:
                    self._skip(part)
                except BaseException:
                    part.close()
                    raise
                return part
            except Transient as failure:
                self._wait(failure)

    def _skip(self, part: Part) -> None:
        """Read again what has been read, and make sure that it is the same."""
        if part.start == self._offset:
            return
        left, again = self._offset - part.start, hashlib.sha256()
        while left and (data := part.read(min(left, CHUNK))):
            again.update(data)
            left -= len(data)
        if left or again.digest() != self._seen.digest():
            raise ContextError(f"{self._name}: it has changed while it was being downloaded", hint="start the build again")


class Ranged(io.RawIOBase):
    """`size` bytes, which `fetch` brings by offset and length; it raises Transient for what may pass, and ContextError."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int, *, name: str, retry: Retry) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._name = name
        self._retry = retry
        self._next = 0
        self._piece = memoryview(b"")
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="range")
        self._coming: deque[Future[bytes]] = deque()
        self._ask()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        if not self._piece and self._coming:
            self._piece = memoryview(self._coming.popleft().result())
            self._ask()
        view = memoryview(buffer)  # type: ignore[arg-type]
        count = min(view.nbytes, len(self._piece))
        view[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._pool.shutdown(wait=False, cancel_futures=True)
        super().close()

    def _ask(self) -> None:
        while self._next < self._size and len(self._coming) < _AT_ONCE:
            length = min(_RANGE, self._size - self._next)
            self._coming.append(self._pool.submit(self._retry.run, partial(self._get, self._next, length)))
            self._next += length

    def _get(self, start: int, length: int) -> bytes:
        data = self._fetch(start, length)
        if len(data) != length:
            message = f"{self._name}: {len(data)} bytes came of the {length} from {start} on"
            raise Transient(ContextError(message))
        return data
