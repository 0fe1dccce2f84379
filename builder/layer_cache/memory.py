"""What one build has cached so far: steps that its platforms have in common are carried out once, wherever layers are kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.image.image import Image
from builder.key import CacheKey
from builder.layer_cache.entry import Entry


class MemoryCache:
    """A Cache of this process. Threads may share it."""

    def __init__(self) -> None:
        self._entries: dict[CacheKey, Entry] = {}

    def look_up(self, keys: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        return {key: self._entries[key] for key in keys if key in self._entries}

    def last(self, places: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        """Nothing: it is no build before this one."""
        return {}

    def save(self, entry: Entry) -> None:
        self._entries[entry.key] = entry

    def settled(self, image: Image) -> Image:
        return image
