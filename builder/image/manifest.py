"""Manifests and indexes (OCI image spec, manifest.md and image-index.md; Docker image manifest v2, schema 2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from builder.errors import ImageError
from builder.image.descriptor import Descriptor
from builder.image.media import INDEXES, MANIFESTS, MediaType
from builder.image.text import read_json
from builder.values import dataclass, field

_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One image for one platform."""

    media_type: MediaType
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.to_json(),
            "layers": [layer.to_json() for layer in self.layers],
        }
        return _written(document, self.annotations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Several manifests, one a platform."""

    media_type: MediaType
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": [manifest.to_json() for manifest in self.manifests],
        }
        return _written(document, self.annotations)


def _written(document: dict[str, Any], annotations: Mapping[str, str]) -> bytes:
    more = {"annotations": dict(sorted(annotations.items()))} if annotations else {}
    return json.dumps(document | more, indent=2).encode()


def parse_manifest(data: bytes, media_type: MediaType) -> Manifest | Index:
    """Read what a registry or layout calls `media_type`; raises ImageError on an unknown type or a malformed document."""
    try:
        document = read_json(data)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"invalid manifest: not JSON ({error})") from error
    if not isinstance(document, dict):
        raise ImageError(f"invalid manifest: expected an object, found {type(document).__name__}")
    declared = document.get("mediaType") or media_type
    if declared != media_type:
        raise ImageError(f"invalid manifest: it says it is {declared!r} but was announced as {media_type!r}")
    annotations = document.get("annotations") or {}
    if not isinstance(annotations, dict):
        raise ImageError("invalid manifest: annotations is not an object")
    if media_type in MANIFESTS and "manifests" not in document:
        layers = tuple(Descriptor.from_json(item) for item in _list(document, "layers"))
        config = Descriptor.from_json(document.get("config"))
        return Manifest(media_type=media_type, config=config, layers=layers, annotations=annotations)
    if media_type in INDEXES and "layers" not in document:
        manifests = tuple(Descriptor.from_json(item) for item in _list(document, "manifests"))
        return Index(media_type=media_type, manifests=manifests, annotations=annotations)
    raise ImageError(f"manifest of an unknown type {media_type!r}", hint=_unknown_hint(media_type))


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key)
    if not isinstance(value, list):
        raise ImageError(f"invalid manifest: {key} is not a list")
    return value


def _unknown_hint(media_type: MediaType) -> str:
    if media_type.startswith(_SCHEMA_1):
        return "this is Docker's schema 1 of before 2017: push the image again with a current docker"
    return "masu reads OCI and Docker schema 2 manifests and indexes; this may be a chart, a signature or another artifact"
