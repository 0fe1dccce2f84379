"""What a build makes: an image for each platform, and what is said about them."""

from __future__ import annotations

from collections.abc import Sequence

from builder.image.annotations import Annotations
from builder.image.blob import Blob
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.manifest import Index
from builder.image.media import Format
from builder.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`images`, at least one, differ in their platforms. `attestations` have the form of images, for unknown/unknown.

    `index`, which names then mean, has all of both; without it there is one image alone. It `is_for_several` also with one image
    that is to be what one of several would be.
    """

    images: tuple[Image, ...]
    attestations: tuple[Image, ...] = ()
    index: Blob | None = None
    is_for_several: bool = False

    @classmethod
    def of(
        cls,
        images: Sequence[Image],
        *,
        annotations: Annotations,
        attestations: Sequence[Image] = (),
        is_for_several: bool = False,
    ) -> Product:
        """One image needs an index only for attestations, to carry annotations, and if it `is_for_several`."""
        several = is_for_several or len(images) > 1
        if not several and not attestations and not annotations.wants_index:
            return cls(images=tuple(images))
        entries = tuple(replace(image.manifest.descriptor, platform=image.platform) for image in (*images, *attestations))
        format = Format.DOCKER if all(image.format is Format.DOCKER for image in images) else Format.OCI
        index = Index(media_type=format.index, manifests=entries, annotations=annotations.index)
        blob = Blob.of(index.to_bytes(), index.media_type)
        descriptor = replace(blob.descriptor, annotations=annotations.index_descriptor)
        return cls(
            images=tuple(images),
            attestations=tuple(attestations),
            index=replace(blob, descriptor=descriptor),
            is_for_several=several,
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Of all images, in their order."""
        return tuple(layer for image in self.images for layer in image.layers)

    @property
    def size(self) -> int:
        """Bytes of the layers as stored."""
        return sum(layer.blob.descriptor.size for layer in self.layers)

    @property
    def id(self) -> Digest:
        """What docker takes for the image's id: the digest of its config, or of the index if there are several."""
        return self.named.descriptor.digest if self.is_for_several else self.images[0].config_blob.descriptor.digest

    @property
    def named(self) -> Blob:
        """The document that the product's names mean."""
        return self.index or self.images[0].manifest
