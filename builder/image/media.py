"""Media types of the OCI image spec and of Docker's image manifest v2, schema 2."""

from __future__ import annotations

from enum import Enum
from typing import NewType

MediaType = NewType("MediaType", str)

OCI_INDEX = MediaType("application/vnd.oci.image.index.v1+json")
OCI_MANIFEST = MediaType("application/vnd.oci.image.manifest.v1+json")
OCI_CONFIG = MediaType("application/vnd.oci.image.config.v1+json")
OCI_LAYER = MediaType("application/vnd.oci.image.layer.v1.tar")
OCI_LAYER_GZIP = MediaType("application/vnd.oci.image.layer.v1.tar+gzip")
OCI_LAYER_ZSTD = MediaType("application/vnd.oci.image.layer.v1.tar+zstd")

DOCKER_INDEX = MediaType("application/vnd.docker.distribution.manifest.list.v2+json")
DOCKER_MANIFEST = MediaType("application/vnd.docker.distribution.manifest.v2+json")
DOCKER_CONFIG = MediaType("application/vnd.docker.container.image.v1+json")
DOCKER_LAYER = MediaType("application/vnd.docker.image.rootfs.diff.tar")
DOCKER_LAYER_GZIP = MediaType("application/vnd.docker.image.rootfs.diff.tar.gzip")

_OCI_TO_DOCKER = {OCI_LAYER: DOCKER_LAYER, OCI_LAYER_GZIP: DOCKER_LAYER_GZIP}
_DOCKER_TO_OCI = {DOCKER_LAYER: OCI_LAYER, DOCKER_LAYER_GZIP: OCI_LAYER_GZIP}

INDEXES = frozenset({OCI_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
LAYERS = frozenset({OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, DOCKER_LAYER, DOCKER_LAYER_GZIP})


class Format(Enum):
    """The family of media types an image is written in; it follows the base image, `scratch` is OCI."""

    OCI = "oci"
    DOCKER = "docker"

    @property
    def manifest(self) -> MediaType:
        return OCI_MANIFEST if self is Format.OCI else DOCKER_MANIFEST

    @property
    def config(self) -> MediaType:
        return OCI_CONFIG if self is Format.OCI else DOCKER_CONFIG

    @property
    def layer(self) -> MediaType:
        """Of a gzip-compressed layer."""
        return OCI_LAYER_GZIP if self is Format.OCI else DOCKER_LAYER_GZIP

    @property
    def index(self) -> MediaType:
        return OCI_INDEX if self is Format.OCI else DOCKER_INDEX

    def layer_as(self, media_type: MediaType) -> MediaType:
        """What the layers of the other family that are stored alike are called in this one; any other type stays."""
        return (_DOCKER_TO_OCI if self is Format.OCI else _OCI_TO_DOCKER).get(media_type, media_type)

    @classmethod
    def of_manifest(cls, media_type: MediaType) -> Format:
        return cls.DOCKER if media_type == DOCKER_MANIFEST else cls.OCI
