"""An image or an index as what has to be moved: its documents and the content that they refer to."""

from __future__ import annotations

from builder.image.blob import Blob
from builder.image.image import Image
from builder.image.product import Product
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
    def of(cls, source: Image | Product) -> Bundle:
        product = Product(images=(source,)) if isinstance(source, Image) else source
        images = (*product.images, *product.attestations)
        blobs = {blob.descriptor.digest: blob for image in images for blob in _blobs(image)}
        documents = () if product.index is None else tuple(image.manifest for image in images)
        return cls(manifest=product.named, documents=documents, blobs=tuple(blobs.values()))

    @property
    def size(self) -> int:
        """The bytes of all that it consists of."""
        return sum(blob.descriptor.size for blob in (self.manifest, *self.documents, *self.blobs))


def _blobs(image: Image) -> tuple[Blob, ...]:
    return (*(layer.blob for layer in image.layers), image.config_blob)
