"""Layers that builds have made, by the key of how: a tag for each in a repository or layout, as Kaniko keeps them.

Its trouble never fails a build: it is told once, and the layers are made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from builder.errors import BuilderError, ImageError, NotFoundError
from builder.image.config import Config, History
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.manifest import Manifest
from builder.image.media import Format
from builder.image.platform import Platform
from builder.key import CacheKey
from builder.store import Store
from builder.store.copy import InRegistry, blob_in, copy, document
from builder.store.layout import LayoutStore

log = logging.getLogger(__name__)

_LOOKING = 16
_SAVING = 2
_PREFIX = "dev.masu.cache."


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is kept under a key: a layer and its lineage, or a note. `created` is RFC 3339 text, `text` for people."""

    key: CacheKey
    created: str
    text: str = ""
    layer: Layer | None = None
    lineage: CacheKey | None = None
    note: str = ""

    def to_image(self, platform: Platform) -> Image:
        """How it is kept: an image of this layer alone, that says all the rest in annotations of its manifest."""
        annotations = {"key": self.key.hex, "created": self.created, "note": self.note}
        if self.layer and self.lineage:
            annotations |= {"diff-id": str(self.layer.diff_id), "lineage": self.lineage.hex}
        history = History(created=self.created, created_by=self.text, empty_layer=self.layer is None)
        return Image.make(
            config=Config(platform=platform, created=self.created, history=(history,)),
            layers=(self.layer,) if self.layer else (),
            format=Format.OCI,
            annotations={_PREFIX + name: value for name, value in annotations.items() if value},
        )

    @classmethod
    def read(cls, manifest: Manifest, store: Store, key: CacheKey) -> Entry:
        """Raises ImageError when the manifest isn't one of ours, for this key."""
        told = {name.removeprefix(_PREFIX): value for name, value in manifest.annotations.items() if name.startswith(_PREFIX)}
        if told.get("key") != key.hex or len(manifest.layers) != ("diff-id" in told):
            raise ImageError(f"cache entry {key} is not what masu has kept under that key")
        layer = None
        if manifest.layers:
            layer = Layer(blob=blob_in(store, manifest.layers[0]), diff_id=Digest.parse(told["diff-id"]))
        lineage = CacheKey(hex=told["lineage"]) if "lineage" in told else None
        return cls(key=key, created=told.get("created", ""), layer=layer, lineage=lineage, note=told.get("note", ""))


class LayerCache:
    """Entries in `store`, none older than `ttl`. Threads may share one; at its end it waits until all is saved.

    Without `saves` nothing is stored there.
    """

    def __init__(self, store: Store, *, platform: Platform, ttl: timedelta, saves: bool, now: Callable[[], datetime]) -> None:
        self._store = store
        self._platform = platform
        self._ttl = ttl
        self._saves = saves
        self._now = now
        self._has_told = threading.Event()
        self._pool = ThreadPoolExecutor(_SAVING, thread_name_prefix="cache")
        self._saving: list[Future[None]] = []
        self._saved: set[Digest] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=error is None, cancel_futures=error is not None)

    def look_up(self, keys: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        """Those that are there, all asked for at the same time."""
        wanted = list(dict.fromkeys(keys))
        if isinstance(self._store, LayoutStore):
            names = self._store.names()
            wanted = [key for key in wanted if key.hex in names]
        if not wanted:
            return {}
        with ThreadPoolExecutor(min(_LOOKING, len(wanted)), thread_name_prefix="look-up") as pool:
            found = pool.map(self._find, wanted)
            return {key: entry for key, entry in zip(wanted, found, strict=True) if entry is not None}

    def save(self, entry: Entry) -> None:
        """Store it, some time before the end."""
        if self._saves:
            self._saving.append(self._pool.submit(self._store_entry, entry))

    def settled(self, image: Image) -> Image:
        """The image when everything has been saved: a registry can be told where it has the layers already."""
        wait(self._saving)
        store = self._store
        if not isinstance(store, InRegistry):
            return image

        def known(layer: Layer) -> Layer:
            if layer.blob.descriptor.digest not in self._saved:
                return layer
            return replace(layer, blob=replace(layer.blob, origin=store.repository))

        return replace(image, layers=tuple(known(layer) for layer in image.layers))

    def _find(self, key: CacheKey) -> Entry | None:
        try:
            _, manifest = document(self._store, self._store.resolve(key.hex))
            if not isinstance(manifest, Manifest):
                raise ImageError(f"cache entry {key} is not an image")
            entry = Entry.read(manifest, self._store, key)
        except NotFoundError:
            return None
        except BuilderError as error:
            self._tell("can't be read", error)
            return None
        if self._is_old(entry):
            log.debug("cache entry %s is older than %s", key, self._ttl)
            return None
        return entry

    def _is_old(self, entry: Entry) -> bool:
        try:
            created = datetime.fromisoformat(entry.created)
        except ValueError:
            return True
        return created.replace(tzinfo=created.tzinfo or UTC) + self._ttl < self._now()

    def _store_entry(self, entry: Entry) -> None:
        try:
            copy(entry.to_image(self._platform), to=self._store, names=[entry.key.hex])
            self._saved |= {entry.layer.blob.descriptor.digest} if entry.layer else set()
        except BuilderError as error:
            self._tell("can't be written", error)

    def _tell(self, what: str, error: BuilderError) -> None:
        """Once as a warning: where one entry fails, others will."""
        level = logging.DEBUG if self._has_told.is_set() else logging.WARNING
        self._has_told.set()
        log.log(level, "the layer cache %s, the build goes on without: %s", what, error.message)
