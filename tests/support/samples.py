"""Small images made in memory."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Sequence

from builder.image.blob import Blob
from builder.image.config import History
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.media import DOCKER_LAYER_GZIP, OCI_INDEX, OCI_LAYER_GZIP, Format
from builder.image.platform import Platform

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")


def sample_layer(name: str, *, size: int = 100, format: Format = Format.OCI) -> Layer:
    """A layer with one file of `size` bytes that don't compress, always the same for the same name."""
    data = random.Random(name).randbytes(size)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.size = size
        tar.addfile(member, io.BytesIO(data))
    media_type = OCI_LAYER_GZIP if format is Format.OCI else DOCKER_LAYER_GZIP
    return Layer(blob=Blob.of(gzip.compress(raw.getvalue(), 1, mtime=0), media_type), diff_id=Digest.of(raw.getvalue()))


def sample_image(*names: str, size: int = 100, platform: Platform = AMD64, format: Format = Format.OCI) -> Image:
    """An image with one layer for each name."""
    image = Image.make(config=Image.scratch(platform).config, layers=(), format=format)
    for name in names:
        image = image.append(sample_layer(name, size=size, format=format), History(created_by=f"add {name}"))
    return image


def sample_index(images: Sequence[Image]) -> Blob:
    """An index of the images, by their platforms."""
    manifests = [item.manifest.descriptor.to_json() | {"platform": item.config.platform.to_json()} for item in images]
    return Blob.of(json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}).encode(), OCI_INDEX)
