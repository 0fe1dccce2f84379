"""What one build finds out about its caches: that they haven't, or can't give, a layer that they have told of.

No look-up can know that: a registry has lost a blob that its manifests name, or is out of order when the layer is needed; a disk
has other bytes. Whoever then reads the layer meets a CacheError, and the build begins again (see build.py): without that layer
and any other that can't be opened then, and if that isn't enough, with nothing but what it has made itself by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NoReturn, cast

from builder.errors import BuilderError, CacheError, OutlineError, RootfsError
from builder.image.digest import Digest
from builder.image.guarded import Guarded
from builder.image.image import Image
from builder.image.layer import Layer
from builder.key import CacheKey
from builder.layer_cache.entry import Entry
from builder.layer_cache.memory import MemoryCache
from builder.rootfs.decompress import DAMAGED
from builder.values import replace

if TYPE_CHECKING:
    from builder.layer_cache import Cache

_BEGINNINGS = 3
_OPENING = 16


class Findings:
    """`made` is the cache of what the build has made itself. Threads share it."""

    def __init__(self) -> None:
        self.made = MemoryCache()
        self._beginnings = 1
        self._lost: set[Digest] = set()

    def begin_again(self) -> int:
        """How often the build will have begun, if it may again; else 0."""
        if self._beginnings == _BEGINNINGS:
            return 0
        self._beginnings += 1
        return self._beginnings

    def guarded(self, layer: Layer) -> Layer:
        """The layer, whose reader meets a CacheError if it can't be read, or unpacked."""
        blob, lost = layer.blob, partial(self.lost, layer)
        return replace(layer, blob=replace(blob, open=lambda: cast(BinaryIO, Guarded(blob.open, lost, _is_about_content))))

    def trusted(self, entries: Mapping[CacheKey, Entry]) -> Mapping[CacheKey, Entry]:
        """Those of a cache that may be used, with guarded layers."""
        kept = [entry for entry in entries.values() if entry.layer is None or self._may_have(entry.layer)]
        if self._beginnings > 1:
            kept = self._that_open(kept)
        return {entry.key: replace(entry, layer=self.guarded(entry.layer)) if entry.layer else entry for entry in kept}

    def lost(self, layer: Layer, error: Exception) -> NoReturn:
        """Note that the layer can't be had, because of the error. Raises CacheError."""
        digest = layer.blob.descriptor.digest
        self._lost.add(digest)
        message = error.message if isinstance(error, BuilderError) else str(error)
        raise CacheError(f"the cached layer {digest} can't be had: {message}") from error

    def without_lost(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries, without layers that can't be had."""
        return [entry.bare if entry.layer and not self._has(entry.layer) else entry for entry in entries]

    def _may_have(self, layer: Layer) -> bool:
        return self._beginnings < _BEGINNINGS and self._has(layer)

    def _has(self, layer: Layer) -> bool:
        return layer.blob.descriptor.digest not in self._lost

    def _that_open(self, entries: Iterable[Entry]) -> list[Entry]:
        entries = list(entries)
        with ThreadPoolExecutor(_OPENING, thread_name_prefix="open") as pool:
            opens = list(pool.map(self._opens, entries))
        return [entry for entry, is_there in zip(entries, opens, strict=True) if is_there]

    def _opens(self, entry: Entry) -> bool:
        try:
            if entry.layer:
                self.guarded(entry.layer).blob.open().close()
        except CacheError:
            return False
        return True


class Trusted:
    """A Cache without what `findings` say that it hasn't."""

    def __init__(self, cache: Cache, findings: Findings) -> None:
        self._cache = cache
        self._findings = findings

    def look_up(self, keys: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        return self._findings.trusted(self._cache.look_up(keys))

    def last(self, places: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        return self._cache.last(places)

    def save(self, entry: Entry) -> None:
        self._cache.save(entry)

    def settled(self, image: Image) -> Image:
        return self._cache.settled(image)


def _is_about_content(error: Exception) -> bool:
    """Whoever unpacks it finds what is wrong in it before its digest is known. Not that a disk is full, or a tree not enough."""
    if isinstance(error, RootfsError):
        if error.__cause__ is None:
            return not isinstance(error, OutlineError)
        return isinstance(error.__cause__, Exception) and _is_about_content(error.__cause__)
    return isinstance(error, DAMAGED) and not (isinstance(error, OSError) and error.errno)
