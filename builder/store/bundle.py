"""An image or an index as what has to be moved: its documents and the content that they refer to."""

from __future__ import annotations

from builder.image.blob import Blob
from builder.image.image import Image
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """`manifest` is an image's manifest or an index; `documents` are those below an index, what is referred to first.

    `blobs` are configs and layers, each once.
    """

    manifest: Blob
    documents: tuple[Blob, ...] = ()
    blobs: tuple[Blob, ...]

    @classmethod
    def of(cls, image: Image) -> Bundle:
        blobs = {blob.descriptor.digest: blob for blob in (*(layer.blob for layer in image.layers), image.config_blob)}
        documents = () if image.index is None else (image.manifest,)
        return cls(manifest=image.named, documents=documents, blobs=tuple(blobs.values()))

    @property
    def size(self) -> int:
        """The bytes of all that it consists of."""
        return sum(blob.descriptor.size for blob in (self.manifest, *self.documents, *self.blobs))
