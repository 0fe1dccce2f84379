"""A stream of bytes made into a compressed blob: digest of the plain bytes, compression, digest of the result, file.

The stream is cut into blocks of a fixed size; each is compressed by itself, primed with the end of the one before, so that all
cores work and the result is the same for any number of threads. A handful of blocks is in memory at a time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from isal import isal_zlib

from builder.errors import RootfsError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.growing import Growing, Send
from builder.image.media import DOCKER_LAYER, DOCKER_LAYER_GZIP, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, MediaType
from builder.values import dataclass

_BLOCK = 1 << 20
_MAX_WORKERS = 8
_DICTIONARY = 1 << 15  # deflate's window
_RAW_DEFLATE = -15
_MAX_ISAL_LEVEL = 3
# RFC 1952: no flags, no time, no name, unknown operating system; then, at the end, an empty final block (RFC 1951, 3.2.6).
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_LAST_DEFLATE_BLOCK = b"\x03\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The finished blob, a file, and its bytes before compression."""

    blob: Blob
    plain_size: int
    diff_id: Digest


class Pipeline:
    """Takes bytes in order by `write` and `fill`; `finish` ends it. Left without `finish`, nothing stays behind.

    With `members` each block is a gzip member of its own, that can be read without those before it, and `cut` begins a new one.
    """

    def __init__(
        self,
        directory: Path,
        media_type: MediaType,
        *,
        level: int | None = None,
        workers: int | None = None,
        members: bool = False,
        send: Send | None = None,
    ) -> None:
        self._media_type = media_type
        self._codec = _Codec(compress=_Member(_level(level))) if members else _codec(media_type, level)
        self._directory = directory
        handle, name = tempfile.mkstemp(dir=directory, prefix=".layer-")
        self._file = os.fdopen(handle, "wb", buffering=0)
        self._name = name
        self._growing = Growing(Path(name)) if send else None
        if send and self._growing:
            send(self._growing)
        workers = workers or min(_MAX_WORKERS, len(os.sched_getaffinity(0)))
        self._limit = workers + 2
        self._compressors = ThreadPoolExecutor(workers, thread_name_prefix="compress")
        self._hashers = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._pending: deque[tuple[Future[bytes], Future[None], memoryview]] = deque()
        self._free: list[memoryview] = []
        self._plain = hashlib.sha256()
        self._packed = hashlib.sha256()
        self._size = 0
        self._crc = 0
        self._length = 0
        self._block = memoryview(bytearray(_BLOCK))
        self._used = 0
        self._before = b""
        self._sent = 0
        self._starts: list[int] = []
        self._emit(self._codec.header)

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._compressors.shutdown(cancel_futures=True)
        self._hashers.shutdown(cancel_futures=True)
        self._file.close()
        if self._name:
            os.unlink(self._name)
            if self._growing:
                self._growing.give_up()

    def write(self, data: bytes) -> None:
        """Append `data`, a small piece."""
        view = memoryview(data)
        while len(view):
            room = min(len(view), _BLOCK - self._used)
            self._block[self._used : self._used + room] = view[:room]
            self._advance(room)
            view = view[room:]

    def fill(self, fd: int, size: int) -> int:
        """Append up to `size` bytes read from `fd`; returns how many there were."""
        left = size
        while left:
            room = min(left, _BLOCK - self._used)
            got = os.readv(fd, [self._block[self._used : self._used + room]])
            if not got:
                break
            self._advance(got)
            left -= got
        return size - left

    def cut(self) -> int:
        """End the current block here; returns the number of the next one, counted from 0."""
        self._send()
        return self._sent

    def starts(self) -> list[int]:
        """Where in the file each block begins that was ended so far, in bytes; waits until they are written."""
        self._drain()
        return self._starts

    @property
    def size(self) -> int:
        """Bytes of the file so far, without the blocks that aren't written yet."""
        return self._size

    def append(self, data: bytes) -> None:
        """Add bytes to the end of the file as they are, after all blocks."""
        self._send()
        self._drain()
        self._emit(data)

    def finish(self) -> Done:
        """Complete the file and give it its name, the hexadecimal digest."""
        self._send()
        self._drain()
        self._emit(self._codec.trailer(self._crc, self._length))
        self._file.close()
        digest = Digest(algorithm="sha256", hex=self._packed.hexdigest())
        path = self._directory / digest.hex
        os.chmod(self._name, 0o644)
        os.replace(self._name, path)
        self._name = ""
        descriptor = Descriptor(media_type=self._media_type, digest=digest, size=self._size)
        # Not verified again when it is read: whoever stores or unpacks it does that.
        blob = Blob(descriptor=descriptor, open=lambda: path.open("rb"), path=path)
        if self._growing:
            self._growing.complete(blob)
        diff_id = Digest(algorithm="sha256", hex=self._plain.hexdigest())
        return Done(blob=blob, plain_size=self._length, diff_id=diff_id)

    def _advance(self, count: int) -> None:
        self._used += count
        if self._used == _BLOCK:
            self._send()

    def _send(self) -> None:
        """Hand the current block to the threads and begin a new one."""
        block = self._block[: self._used]
        if not len(block):
            return
        compressed = self._compressors.submit(self._codec.compress, block, self._before)
        self._pending.append((compressed, self._hashers.submit(self._hash, block), self._block))
        self._before = bytes(block[-_DICTIONARY:])
        self._sent += 1
        if len(self._pending) > self._limit:
            self._receive()
        self._block = self._free.pop() if self._free else memoryview(bytearray(_BLOCK))
        self._used = 0

    def _hash(self, block: memoryview) -> None:
        self._plain.update(block)
        self._crc = isal_zlib.crc32(block, self._crc)
        self._length += len(block)

    def _drain(self) -> None:
        while self._pending:
            self._receive()

    def _receive(self) -> None:
        compressed, hashed, block = self._pending.popleft()
        hashed.result()
        self._starts.append(self._size)
        self._emit(compressed.result())
        self._free.append(block)

    def _emit(self, data: bytes) -> None:
        self._packed.update(data)
        self._size += len(data)
        view = memoryview(data)
        try:
            while len(view):
                view = view[self._file.write(view) :]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                hint = "give masu's directory more space, or another disk"
                raise RootfsError(f"no space left on the disk to write a layer to {str(self._directory)!r}", hint=hint) from error
            raise
        if self._growing:
            self._growing.grow(self._size)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codec:
    """`compress` gets a block and the end of the block before it.

    Results are concatenated between `header` and `trailer(crc, length)`.
    """

    compress: Callable[[memoryview, bytes], bytes]
    header: bytes = b""
    trailer: Callable[[int, int], bytes] = lambda crc, length: b""


def _codec(media_type: MediaType, level: int | None) -> _Codec:
    if media_type in (OCI_LAYER_GZIP, DOCKER_LAYER_GZIP):
        return _Codec(compress=_Deflate(_level(level)), header=_GZIP_HEADER, trailer=_gzip_trailer)
    if media_type == OCI_LAYER_ZSTD:
        return _Codec(compress=_Zstd(3 if level is None else level))
    if media_type in (OCI_LAYER, DOCKER_LAYER):
        return _Codec(compress=lambda block, before: bytes(block))
    raise RootfsError(f"can't write layers of the media type {media_type!r}")


def _level(level: int | None) -> int:
    return 1 if level is None else level


def _gzip_trailer(crc: int, length: int) -> bytes:
    return _LAST_DEFLATE_BLOCK + crc.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class _Deflate:
    """Levels 1 to 3 are ISA-L's, 4 to 9 zlib's, and 0, which doesn't compress."""

    level: int

    def __call__(self, block: memoryview, before: bytes) -> bytes:
        library = isal_zlib if 0 < self.level <= _MAX_ISAL_LEVEL else zlib
        options = {"zdict": before} if before else {}
        compressor = library.compressobj(self.level, zlib.DEFLATED, _RAW_DEFLATE, **options)
        return bytes(compressor.compress(block) + compressor.flush(zlib.Z_SYNC_FLUSH))


@dataclass(frozen=True, slots=True)
class _Member:
    """Each block is a whole gzip file."""

    level: int

    def __call__(self, block: memoryview, before: bytes) -> bytes:
        return _GZIP_HEADER + _Deflate(self.level)(block, b"") + _gzip_trailer(isal_zlib.crc32(block), len(block))


@dataclass(frozen=True, slots=True)
class _Zstd:
    """Each block is a frame of its own (RFC 8878, 3.1: frames may be concatenated)."""

    level: int

    def __call__(self, block: memoryview, before: bytes) -> bytes:
        import zstandard  # takes a while to load, and gzip is the rule

        return zstandard.ZstdCompressor(level=self.level).compress(block)
