"""A tag for each key in a repository or layout, as Kaniko keeps them; and one for the same step of the build before."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from builder.errors import ImageError, NotFoundError
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.manifest import Manifest
from builder.image.platform import Platform
from builder.key import CacheKey
from builder.layer_cache.entry import TROUBLE, Entry, check_layer
from builder.store import Store
from builder.store.copy import InRegistry, copy, document
from builder.store.layout import LayoutStore
from builder.values import replace

log = logging.getLogger(__name__)

_LOOKING = 16
_SAVING = 2
_LAST = "last-"
"""Before the name of a step, in the tag of what was kept of it last."""


class TagCache:
    """Entries in `store`, those older than `ttl` being old. Threads may share one; at its end it waits until all is saved.

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
        found = self._found({key: key.hex for key in keys})
        return {key: entry for key, entry in found.items() if self._has_layer(entry)}

    def last(self, places: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        """What was kept last of the steps with these names."""
        return self._found({place: _LAST + place.hex for place in places})

    def save(self, entry: Entry) -> None:
        """Store it, in a directory at once: it may lie where a sandbox that moves (takeover) shows a stage in a moment.

        Otherwise some time before the end.
        """
        if self._saves and isinstance(self._store, LayoutStore):
            self._store_entry(entry)
        elif self._saves:
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

    def _found(self, wanted: Mapping[CacheKey, str]) -> Mapping[CacheKey, Entry]:
        wanted = self._listed(wanted)
        if not wanted:
            return {}
        with ThreadPoolExecutor(min(_LOOKING, len(wanted)), thread_name_prefix="look-up") as pool:
            found = pool.map(self._find, wanted.values())
            return {key: entry for key, entry in zip(wanted, found, strict=True) if entry is not None}

    def _listed(self, wanted: Mapping[CacheKey, str]) -> Mapping[CacheKey, str]:
        """Those that may be there: a layout's names are read once for all."""
        if not isinstance(self._store, LayoutStore):
            return wanted
        try:
            names = self._store.names()
        except TROUBLE as error:
            self._tell("can't be read", error)
            return {}
        return {key: name for key, name in wanted.items() if name in names}

    def _find(self, name: str) -> Entry | None:
        try:
            _, manifest = document(self._store, self._store.resolve(name))
            if not isinstance(manifest, Manifest):
                raise ImageError(f"cache entry {name} is not an image")
            return Entry.read(manifest, self._store, name).aged(self._ttl, self._now())
        except NotFoundError:
            return None
        except TROUBLE as error:
            self._tell("can't be read", error)
            return None

    def _has_layer(self, entry: Entry) -> bool:
        try:
            if entry.layer:
                check_layer(entry.layer.blob.descriptor, self._store)
        except TROUBLE as error:
            self._tell("can't be read", error)
            return False
        return True

    def _store_entry(self, entry: Entry) -> None:
        image = entry.to_image(self._platform)
        try:
            copy(image, to=self._store, names=[entry.key.hex])
            self._saved |= {entry.layer.blob.descriptor.digest} if entry.layer else set()
        except TROUBLE as error:
            self._tell("can't be written", error)
        else:
            self._store_last(entry, image)

    def _store_last(self, entry: Entry, image: Image) -> None:
        try:
            if entry.place:
                self._store.tag(_LAST + entry.place.hex, image.manifest)
        except TROUBLE as error:  # no tag moves in some repositories; the cache works, it only can't tell why it misses
            log.debug("can't keep what went into %s: %s", entry.key, error)

    def _tell(self, what: str, error: Exception) -> None:
        """Once as a warning: where one entry fails, others will."""
        level = logging.DEBUG if self._has_told.is_set() else logging.WARNING
        self._has_told.set()
        log.log(level, "the layer cache %s, the build goes on without: %s", what, error)
