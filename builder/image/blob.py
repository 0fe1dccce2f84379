"""A blob: bytes with a descriptor, and where to read them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import MediaType
from builder.image.reference import Repository
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """`open()` gives a new stream; from a store it ends with an error unless it had exactly the descriptor's bytes.

    `origin` is the repository that surely holds the blob (a registry may mount it from there); `path` a local file of it,
    which was verified when it was written.
    """

    descriptor: Descriptor
    open: Callable[[], BinaryIO]
    origin: Repository | None = None
    path: Path | None = None

    @classmethod
    def of(cls, data: bytes, media_type: MediaType) -> Blob:
        """A small blob held in memory."""
        descriptor = Descriptor(media_type=media_type, digest=Digest.of(data), size=len(data))
        return cls(descriptor=descriptor, open=lambda: io.BytesIO(data))
