"""The floor's last step as a program: compress standard input and hash both sides, on two cores."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from isal import isal_zlib

_CHUNK = 1 << 20


def compress(stream: BinaryIO) -> None:
    """ISA-L level 1, as masu's layers; hashing the plain side has a thread of its own."""
    compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    plain, packed = hashlib.sha256(), hashlib.sha256()
    with ThreadPoolExecutor(max_workers=1) as other:
        for chunk in _chunks(stream):
            hashed = other.submit(plain.update, chunk)
            packed.update(compressor.compress(chunk))
            hashed.result()
    packed.update(compressor.flush())


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


if __name__ == "__main__":
    compress(sys.stdin.buffer)
