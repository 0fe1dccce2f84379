"""The one way to read a blob: a stream that checks size and digest while it is read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from builder.errors import ImageError
from builder.image.descriptor import Descriptor

SMALL_LIMIT = 4 << 20
"""Bytes: manifests, indexes and configs are read whole into memory, up to this size (the OCI distribution spec's own limit)."""


_BUFFER = 64 << 10
"""Bytes. Whoever reads more at a time gets it without a copy."""


class VerifyingReader(io.RawIOBase):
    """Reads `source` and raises ImageError as soon as it is longer, or at its end shorter or other, than `descriptor` says."""

    def __init__(self, source: BinaryIO, descriptor: Descriptor, *, where: str) -> None:
        self._source = source
        self._fill: Callable[[memoryview], int] = getattr(source, "readinto", self._copy)
        self._descriptor = descriptor
        self._where = where
        self._hash = descriptor.digest.hasher()
        self._left = descriptor.size
        self._checked = False
        self._hashes = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not view.nbytes:
            return 0
        size = self._fill(view)
        self._left -= size
        if self._left < 0:
            raise self._error(f"is longer than the {self._descriptor.size} bytes announced")
        if self._hashes:
            self._hash.update(view[:size])
        if not size or not self._left:
            self._check_end()
        return size

    def verifies(self, descriptor: Descriptor) -> bool:
        """Whether what is read here is checked to be that."""
        return self._hashes and (self._descriptor.digest, self._descriptor.size) == (descriptor.digest, descriptor.size)

    def leave_digest(self) -> None:
        """Check the size only from now on; to be called before the first read."""
        self._hashes = False

    def _copy(self, view: memoryview) -> int:
        data = self._source.read(view.nbytes)
        view[: len(data)] = data
        return len(data)

    def _check_end(self) -> None:
        if self._left:
            raise self._error(f"ends {self._left} bytes before the {self._descriptor.size} announced")
        if self._hashes and not self._checked and self._hash.hexdigest() != self._descriptor.digest.hex:
            raise self._error(f"has the digest {self._descriptor.digest.algorithm}:{self._hash.hexdigest()}")
        self._checked = True

    def _error(self, what: str) -> ImageError:
        hint = "the stored or transferred content is damaged: try again, or delete the blob where it is stored"
        return ImageError(f"blob {self._descriptor.digest} from {self._where} {what}", hint=hint)

    def close(self) -> None:
        self._source.close()
        super().close()


def verified(source: BinaryIO, descriptor: Descriptor, *, where: str) -> BinaryIO:
    """`source`, checked against `descriptor` at its end; `where` names it in errors. What is checked already stays as it is."""
    raw = getattr(source, "raw", None)
    if isinstance(raw, VerifyingReader) and raw.verifies(descriptor):
        return source
    return io.BufferedReader(VerifyingReader(source, descriptor, where=where), buffer_size=_BUFFER)


def sized(source: BinaryIO, descriptor: Descriptor, *, where: str) -> BinaryIO:
    """As `verified`, but only the size is checked: for content that was verified when it was written and that goes to somebody
    who verifies it himself.
    """
    stream = verified(source, descriptor, where=where)
    raw = getattr(stream, "raw", None)
    if isinstance(raw, VerifyingReader):
        raw.leave_digest()
    return stream


def pieces(stream: BinaryIO, *, most: int) -> Iterator[memoryview]:
    """What the stream has, in pieces of up to 1 MiB; each is overwritten by the next: one buffer does for all.

    It has `most` bytes at most, so that little content needs only a small buffer.
    """
    buffer = memoryview(bytearray(max(1, min(most, 1 << 20))))
    while count := cast(io.BufferedIOBase, stream).readinto(buffer):
        yield buffer[:count]


def read_small(source: BinaryIO, descriptor: Descriptor, *, where: str) -> bytes:
    """All bytes of a manifest, index or config; raises ImageError if it is larger than SMALL_LIMIT or not what was announced."""
    if descriptor.size > SMALL_LIMIT:
        raise ImageError(f"{descriptor.media_type} {descriptor.digest} from {where} is too large: {descriptor.size} bytes")
    with verified(source, descriptor, where=where) as stream:
        return stream.read()
