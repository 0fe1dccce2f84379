"""How the layers of a new image are compressed, and in which family of media types it is written."""

from __future__ import annotations

from enum import Enum
from typing import Self

from builder.errors import UsageError
from builder.image.media import DOCKER_LAYER, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, Format, MediaType
from builder.values import dataclass

TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest"
"""The annotation of an eStargz layer's descriptor (stargz-snapshotter, docs/estargz.md)."""


class Compression(Enum):
    """What `--compression` names."""

    GZIP = "gzip"
    ZSTD = "zstd"
    ESTARGZ = "estargz"
    UNCOMPRESSED = "uncompressed"

    @property
    def levels(self) -> range:
        """Those that `--compression-level` may give."""
        return {Compression.ZSTD: range(23), Compression.UNCOMPRESSED: range(0)}.get(self, range(10))

    @property
    def is_oci_only(self) -> bool:
        """Docker's media types have no zstd, and no annotations for eStargz's digest."""
        return self in (Compression.ZSTD, Compression.ESTARGZ)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """`level` None is the compressor's fastest useful one; without `format` the base image's is kept; `force` recompresses it."""

    compression: Compression = Compression.GZIP
    level: int | None = None
    format: Format | None = None
    force: bool = False

    @classmethod
    def parse(cls, *, compression: str, level: int, format: str, force: bool) -> Self:
        """From the options' texts; `level` -1 is the default. Raises UsageError for what doesn't go together."""
        wanted = Compression(compression)
        if level != -1 and level not in wanted.levels:
            fits = f"give a number from 0 to {wanted.levels[-1]}, or -1" if wanted.levels else "leave it out"
            raise UsageError(f"--compression {wanted.value} has no --compression-level {level}", hint=fits)
        family = Format(format) if format else None
        if wanted.is_oci_only and family is Format.DOCKER:
            raise UsageError(
                f"--image-format docker has no layers that are {wanted.value}",
                hint="use --image-format oci, or --compression gzip",
            )
        return cls(compression=wanted, level=None if level == -1 else level, format=family, force=force)

    def format_on(self, base: Format) -> Format:
        """The family of an image that begins with one of the family `base`."""
        return self.format or (Format.OCI if self.compression.is_oci_only else base)

    def layer_on(self, base: Format) -> MediaType:
        """The media type of its new layers."""
        family = self.format_on(base)
        match self.compression:
            case Compression.UNCOMPRESSED:
                return DOCKER_LAYER if family is Format.DOCKER else OCI_LAYER
            case Compression.ZSTD:
                return OCI_LAYER_ZSTD
            case Compression.ESTARGZ:
                return OCI_LAYER_GZIP
            case Compression.GZIP:
                return family.layer
