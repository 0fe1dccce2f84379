"""Layers as tests make them and look at them."""

from __future__ import annotations

import io
import tarfile

from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER

EPOCH = 1_000_000_000
"""What is newer gets this time in a layer, so that layers of different moments can be equal."""


def layer_of(archive: bytes) -> Layer:
    digest = Digest.of(archive)
    descriptor = Descriptor(media_type=OCI_LAYER, digest=digest, size=len(archive))
    return Layer(blob=Blob(descriptor=descriptor, open=lambda: io.BytesIO(archive)), diff_id=digest)


def entries(layer: Layer) -> list[str]:
    """A line for each, for people to see what differs."""
    with layer.blob.open() as stream, tarfile.open(fileobj=stream) as archive:
        return [
            f"{item.name} {item.type!r} {item.mode:o} {item.uid}:{item.gid} {item.size} {item.linkname} {item.mtime} "
            f"{item.pax_headers}"
            for item in archive
        ]
