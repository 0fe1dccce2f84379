"""Stores keep images: content by digest, names by tag. `copy.copy` is the only mover between them."""

from __future__ import annotations

from typing import BinaryIO, Protocol

from builder.image.blob import Blob
from builder.image.descriptor import Descriptor


class Store(Protocol):
    """A registry repository, an OCI layout or an archive. Threads may share one.

    Local stores raise StoreError, registries RegistryError, and both ImageError for content that isn't what it should be.
    """

    def has(self, descriptor: Descriptor) -> bool:
        """Whether the content is stored here."""
        ...

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A stream of the content that ends with an ImageError unless it is exactly what `descriptor` says."""
        ...

    def put(self, blob: Blob) -> None:
        """Store the content (a manifest or index too, by its media type); returns when it is stored, at once if it was."""
        ...

    def resolve(self, name: str) -> Descriptor:
        """The manifest or index that a tag, a full reference or the text of a digest means."""
        ...

    def tag(self, name: str, manifest: Blob) -> None:
        """Store the manifest under the name; what it refers to must be stored already."""
        ...
