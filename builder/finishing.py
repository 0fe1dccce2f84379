"""What is done to an image once all its layers are there: base layers compressed as its own are, its platform, annotations."""

from __future__ import annotations

import logging
from pathlib import Path

from builder.errors import ImageError
from builder.image.annotations import Annotations
from builder.image.encoding import TOC_DIGEST, Compression, Encoding
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER_ZSTD, Format
from builder.image.platform import Platform
from builder.rootfs.recompress import as_estargz, recompressed
from builder.values import replace

log = logging.getLogger(__name__)


def finished(image: Image, *, encoding: Encoding, annotations: Annotations, platform: Platform | None, to: Path) -> Image:
    """The image as it is wanted, for `platform`, unless that is None; new blobs are made in the directory `to`.

    Raises ImageError, RootfsError.
    """
    layers = tuple(_forced(layer, encoding, image.format, to) for layer in image.layers) if encoding.force else image.layers
    if image.format is Format.DOCKER and any(layer.blob.descriptor.media_type == OCI_LAYER_ZSTD for layer in layers):
        hint = "add --force-compression, or leave out --image-format"
        raise ImageError("the base image has zstd layers, which an image of the format docker can't have", hint=hint)
    config = replace(image.config, platform=_asked_for(platform, of=image.config.platform)) if platform else image.config
    if (config, layers) != (image.config, image.layers) or annotations.manifest:
        image = Image.make(config=config, layers=layers, format=image.format, annotations=annotations.manifest)
    if annotations.manifest_descriptor:
        descriptor = replace(image.manifest.descriptor, annotations=annotations.manifest_descriptor)
        image = replace(image, manifest=replace(image.manifest, descriptor=descriptor))
    return image


def _asked_for(platform: Platform, *, of: Platform) -> Platform:
    """As the config has it, whatever the image is made `of` (BuildKit, finalizeResultImage in dockerfile2llb/convert.go)."""
    if (of.os, of.architecture) == (platform.os, platform.architecture):
        platform = replace(platform, variant=platform.variant or of.variant, os_version=of.os_version)
    found = Platform.normalized(os=platform.os, architecture=platform.architecture, variant=platform.variant)
    return replace(found, os_version=platform.os_version, os_features=of.os_features)


def encoded(layer: Layer, *, encoding: Encoding, format: Format, to: Path) -> Layer:
    """The layer as an image of this family is to have it: made anew, in the directory `to`, unless it is so."""
    if _is_encoded(layer, encoding, format):
        return layer
    media_type = encoding.layer_on(format)
    if encoding.compression is Compression.ESTARGZ:
        return as_estargz(layer, to=to, media_type=media_type, level=encoding.level)
    return recompressed(layer, to=to, media_type=media_type, level=encoding.level)


def _is_encoded(layer: Layer, encoding: Encoding, format: Format) -> bool:
    descriptor = layer.blob.descriptor
    is_lazy = TOC_DIGEST in descriptor.annotations
    is_so = format.layer_as(descriptor.media_type) == encoding.layer_on(format)
    return is_so and is_lazy == (encoding.compression is Compression.ESTARGZ)


def _forced(layer: Layer, encoding: Encoding, format: Format, to: Path) -> Layer:
    if not _is_encoded(layer, encoding, format):
        log.info("compressing layer %s of the base image as %s", layer.blob.descriptor.digest, encoding.compression.value)
    return encoded(layer, encoding=encoding, format=format, to=to)
