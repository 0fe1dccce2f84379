"""A layer: a blob that is a filesystem diff, with the digest of its uncompressed tar."""

from __future__ import annotations

from dataclasses import dataclass

from builder.image.blob import Blob
from builder.image.digest import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Complete from birth: both digests are known before it exists."""

    blob: Blob
    diff_id: Digest
