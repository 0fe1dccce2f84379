"""What a build makes: an image for each platform, and what is said about them."""

from __future__ import annotations

from collections.abc import Sequence

from builder.image.annotations import Annotations
from builder.image.blob import Blob
from builder.image.image import Image
from builder.image.manifest import Index
from builder.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`images`, at least one, differ in their platforms. `attestations` have the form of images, for unknown/unknown.

    `index`, which names then mean, has all of both; without it there is one image alone.
    """

    images: tuple[Image, ...]
    attestations: tuple[Image, ...] = ()
    index: Blob | None = None

    @classmethod
    def of(cls, images: Sequence[Image], *, annotations: Annotations, attestations: Sequence[Image] = ()) -> Product:
        """One image needs an index only for attestations, and to carry annotations."""
        if len(images) == 1 and not attestations and not annotations.wants_index:
            return cls(images=tuple(images))
        entries = tuple(replace(image.manifest.descriptor, platform=image.config.platform) for image in (*images, *attestations))
        index = Index(media_type=images[0].format.index, manifests=entries, annotations=annotations.index)
        blob = Blob.of(index.to_bytes(), index.media_type)
        descriptor = replace(blob.descriptor, annotations=annotations.index_descriptor)
        return cls(images=tuple(images), attestations=tuple(attestations), index=replace(blob, descriptor=descriptor))

    @property
    def named(self) -> Blob:
        """The document that the product's names mean."""
        return self.index or self.images[0].manifest
