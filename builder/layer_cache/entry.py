"""What is kept under a cache key, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from builder.errors import BuilderError, ImageError
from builder.image.blob import Blob
from builder.image.config import Config, History
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.manifest import Manifest
from builder.image.media import LAYERS, Format
from builder.image.platform import Platform
from builder.key import CacheKey
from builder.store import Store
from builder.store.copy import blob_in
from builder.store.layout import LayoutStore
from builder.values import dataclass, replace

TROUBLE = (BuilderError, OSError)
"""What a cache may raise that is out of order; no build fails because of that."""

_PREFIX = "dev.masu.cache."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A layer and its lineage, or a note. `created` is RFC 3339 text, `text` for people.

    An entry may have its layer's `diff_id` only: that tells what could be made on it, see lineage in key.py.

    `place` says which step of which Dockerfile it was made for, `ingredients` of what (see ingredients.py). One that `is_old` is
    there to tell why it isn't used.
    """

    key: CacheKey
    created: str
    text: str = ""
    layer: Layer | None = None
    diff_id: Digest | None = None
    lineage: CacheKey | None = None
    note: str = ""
    place: CacheKey | None = None
    ingredients: str = ""
    is_old: bool = False

    @property
    def result(self) -> Digest | None:
        """The layer's diff_id, whether the layer is there or not."""
        return self.layer.diff_id if self.layer else self.diff_id

    @property
    def bare(self) -> Entry:
        """Without the layer."""
        return replace(self, layer=None, diff_id=self.result)

    def aged(self, ttl: timedelta, now: datetime) -> Entry:
        """The entry that knows whether it is older than `ttl`; one that doesn't say when it was made is."""
        try:
            created = datetime.fromisoformat(self.created)
        except ValueError:
            return replace(self, is_old=True)
        return replace(self, is_old=now - created.replace(tzinfo=created.tzinfo or UTC) > ttl)

    def to_record(self) -> dict[str, str]:
        """All but the layer's blob, as text under names."""
        told = {"key": self.key.hex, "created": self.created, "note": self.note, "ingredients": self.ingredients}
        told |= {"place": self.place.hex} if self.place else {}
        if self.result and self.lineage:
            told |= {"diff-id": str(self.result), "lineage": self.lineage.hex}
            told["text"] = self.text.encode("utf-8", "backslashreplace").decode()
        return {name: value for name, value in told.items() if value}

    @classmethod
    def from_record(cls, told: Mapping[str, Any], blob: Blob | None) -> Entry:
        """`blob` is the layer's, if there is one. Raises ImageError for what is no record, or no layer of masu's."""
        if blob and (blob.descriptor.urls or blob.descriptor.media_type not in LAYERS):
            raise ImageError(f"a record of the layer cache has {blob.descriptor.digest}, which is no layer of masu's")
        if not all(isinstance(value, str) for value in told.values()) or "key" not in told:
            raise ImageError("a record of the layer cache is malformed")
        diff_id = Digest.parse(told["diff-id"]) if "diff-id" in told else None
        return cls(
            key=CacheKey(hex=told["key"]),
            created=told.get("created", ""),
            text=told.get("text", ""),
            layer=Layer(blob=blob, diff_id=diff_id) if blob and diff_id else None,
            diff_id=diff_id,
            lineage=CacheKey(hex=told["lineage"]) if "lineage" in told else None,
            note=told.get("note", ""),
            place=CacheKey(hex=told["place"]) if "place" in told else None,
            ingredients=told.get("ingredients", ""),
        )

    def to_image(self, platform: Platform) -> Image:
        """How it is kept alone: an image of this layer, that says all the rest in annotations of its manifest."""
        history = History(created=self.created, created_by=self.text, empty_layer=self.layer is None)
        return Image.make(
            config=Config(platform=platform, created=self.created, history=(history,)),
            layers=(self.layer,) if self.layer else (),
            format=Format.OCI,
            annotations={_PREFIX + name: value for name, value in self.to_record().items()},
        )

    @classmethod
    def read(cls, manifest: Manifest, store: Store, name: str) -> Entry:
        """Raises ImageError when the manifest isn't one of ours, for this key or place."""
        told = {key.removeprefix(_PREFIX): value for key, value in manifest.annotations.items() if key.startswith(_PREFIX)}
        if name.rpartition("-")[2] not in (told.get("key"), told.get("place")) or len(manifest.layers) != ("diff-id" in told):
            raise ImageError(f"cache entry {name} is not what masu has kept under that name")
        return cls.from_record(told, blob_in(store, manifest.layers[0]) if manifest.layers else None)


def check_layer(layer: Descriptor, store: Store) -> None:
    """Raises ImageError for one that a directory has lost, as a copy in part may have; a registry has what manifests name."""
    if isinstance(store, LayoutStore) and not LayoutStore(store.path).has(layer):  # one that holds nothing: the entry is held
        raise ImageError(f"the layer {layer.digest} is not there, or not whole")
