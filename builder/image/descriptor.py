"""A descriptor: media type, digest and size of a blob (OCI image spec, descriptor.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from builder.errors import ImageError
from builder.image.digest import Digest
from builder.image.media import MediaType
from builder.image.platform import Platform
from builder.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """`size` is in bytes."""

    media_type: MediaType
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, data: Any) -> Descriptor:
        """Raises ImageError when a field is missing or of the wrong type."""
        if not isinstance(data, dict):
            raise ImageError(f"invalid descriptor: expected an object, found {type(data).__name__}")
        media_type, digest, size = data.get("mediaType"), data.get("digest"), data.get("size")
        if not isinstance(media_type, str) or not isinstance(digest, str) or type(size) is not int or size < 0:
            raise ImageError(f"invalid descriptor: mediaType {media_type!r}, digest {digest!r}, size {size!r}")
        urls = data.get("urls") or []
        annotations = data.get("annotations") or {}
        if not isinstance(urls, list) or not isinstance(annotations, dict):
            raise ImageError(f"invalid descriptor of {digest}: urls or annotations of the wrong type")
        return cls(
            media_type=MediaType(media_type),
            digest=Digest.parse(digest),
            size=size,
            platform=Platform.from_json(data["platform"]) if data.get("platform") else None,
            annotations={str(key): str(value) for key, value in annotations.items()},
            urls=tuple(str(url) for url in urls),
        )

    def to_json(self) -> dict[str, Any]:
        result: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.urls:
            result["urls"] = list(self.urls)
        if self.annotations:
            result["annotations"] = dict(sorted(self.annotations.items()))
        if self.platform:
            result["platform"] = self.platform.to_json()
        return result
