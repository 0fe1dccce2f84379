"""A stream whose beginning can be read twice: once to see what it is."""

from __future__ import annotations

import io
from typing import BinaryIO

_MOST = 8 << 20  # bytes; what tells no more than this about itself is no archive


class Rewindable(io.RawIOBase):
    """Keeps what is read until `rewind`, at most some megabytes: the end of that looks like the end of the stream."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._kept: bytearray | None = bytearray()
        self._again = memoryview(b"")

    def readable(self) -> bool:
        return True

    def rewind(self) -> None:
        """The next byte read is the first; only once."""
        self._again, self._kept = memoryview(bytes(self._kept or b"")), None

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._some(view.nbytes)
        view[: len(data)] = data
        return len(data)

    def _some(self, most: int) -> bytes | memoryview:
        if self._again:
            data = self._again[:most]
            self._again = self._again[most:]
            return data
        if self._kept is None:
            return self._stream.read(most)
        fresh = self._stream.read(min(most, _MOST - len(self._kept)))
        self._kept += fresh
        return fresh
