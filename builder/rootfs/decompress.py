"""A compressed stream as chunks of plain bytes, decompressed ahead of the reader in a thread of its own.

The compression is found by its magic number, never by a name or media type (RFC 1952, RFC 8878, bzip2, xz).
"""

from __future__ import annotations

import bz2
import io
import lzma
import queue
import threading
import zlib
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, cast

from isal import isal_zlib

if TYPE_CHECKING:
    from hashlib import _Hash

    from _typeshed import WriteableBuffer

CHUNK = 1 << 20
"""Bytes in one piece of a stream."""

_AHEAD = 4
_ZSTD_WINDOW = 1 << 27  # bytes; what `zstd --ultra` and every registry client accept by default

DAMAGED: tuple[type[Exception], ...] = (  # type: ignore[assignment]
    zlib.error,
    isal_zlib.IsalError,
    EOFError,
    lzma.LZMAError,
    OSError,
)
"""What decompressors raise for damaged input."""


def _gzip(stream: BinaryIO) -> BinaryIO:
    from isal import igzip  # libraries for what a build may not meet

    return cast(BinaryIO, igzip.IGzipFile(fileobj=stream, mode="rb"))  # type: ignore[no-untyped-call]


class _Zstd(io.RawIOBase):
    """Damage is an OSError here, as it is with the other formats."""

    def __init__(self, stream: BinaryIO) -> None:
        import zstandard

        self._damage = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._reader = decompressor.stream_reader(stream, read_across_frames=True)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._reader.read(size)
        except self._damage as error:
            raise OSError(str(error)) from error

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        try:
            return self._reader.readinto(buffer)
        except self._damage as error:
            raise OSError(str(error)) from error


def _zstd(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, _Zstd(stream))


def _bzip2(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, bz2.BZ2File(stream))


def _xz(stream: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(stream))


_FORMATS: tuple[tuple[bytes, Callable[[BinaryIO], BinaryIO]], ...] = (
    (b"\x1f\x8b\x08", _gzip),
    (b"\x28\xb5\x2f\xfd", _zstd),
    *((bytes([first]) + b"\x2a\x4d\x18", _zstd) for first in range(0x50, 0x60)),  # a frame to be skipped, as pzstd begins with
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\x00", _xz),
)


def decompressed(stream: BinaryIO) -> BinaryIO:
    """`stream` without its compression; as it is when it has none."""
    buffered = io.BufferedReader(_Raw(stream), buffer_size=CHUNK)
    start = buffered.peek(8)[:8]
    for magic, reader in _FORMATS:
        if start.startswith(magic):
            return reader(buffered)
    return buffered


def is_compressed(start: bytes) -> bool:
    """Whether a stream that begins so is compressed in one of the ways known here."""
    return any(start.startswith(magic) for magic, _ in _FORMATS)


class _Raw(io.RawIOBase):
    """Any object with read() as what BufferedReader wants; closing it leaves the object open."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self._stream.read(view.nbytes)
        view[: len(data)] = data
        return len(data)


class ReadAhead:
    """Iterates over the chunks of a decompressed stream; a thread keeps a few of them ready.

    Errors are raised where they are met. `hasher`, if any, has seen all bytes once the iteration has ended.
    """

    def __init__(self, stream: BinaryIO, *, hasher: _Hash | None = None) -> None:
        self._stream = stream
        self._hasher = hasher
        self._queue: queue.Queue[bytes | BaseException] = queue.Queue(maxsize=_AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="decompress", daemon=True)

    def __enter__(self) -> Iterator[bytes]:
        self._thread.start()
        return self._chunks()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            if not item:
                return
            yield item

    def _fill(self) -> None:
        try:
            plain = decompressed(self._stream)
            while not self._stopped.is_set():
                chunk = plain.read(CHUNK)
                if self._hasher is not None:
                    self._hasher.update(chunk)
                self._queue.put(chunk)
                if not chunk:
                    return
        except BaseException as error:  # noqa: BLE001 - handed to the reading thread
            self._queue.put(error)
