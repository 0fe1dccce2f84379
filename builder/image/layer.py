"""A layer: a blob that is a filesystem diff, with the digest of its uncompressed tar."""

from __future__ import annotations

from builder.image.blob import Blob
from builder.image.digest import Digest
from builder.image.media import MediaType
from builder.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Complete from birth: both digests are known before it exists."""

    blob: Blob
    diff_id: Digest

    def called(self, media_type: MediaType) -> Layer:
        """The same bytes under another media type."""
        descriptor = self.blob.descriptor
        if descriptor.media_type == media_type:
            return self
        return replace(self, blob=replace(self.blob, descriptor=replace(descriptor, media_type=media_type)))
