"""Layers that builds have made, by the key of how. Its trouble never fails a build: it is told once, and the layers are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from builder.image.image import Image
from builder.key import CacheKey
from builder.layer_cache.chain import Chain
from builder.layer_cache.entry import TROUBLE, Entry
from builder.layer_cache.findings import Findings, Trusted
from builder.layer_cache.listed import ListedCache, inlined, write_list
from builder.layer_cache.memory import MemoryCache
from builder.layer_cache.tags import TagCache

__all__ = [
    "TROUBLE",
    "Cache",
    "Chain",
    "Entry",
    "Findings",
    "ListedCache",
    "MemoryCache",
    "TagCache",
    "Trusted",
    "inlined",
    "write_list",
]


class Cache(Protocol):
    """A place that has entries. Threads may share one."""

    def look_up(self, keys: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        """Those that are there."""
        ...

    def last(self, places: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        """What was kept last of the steps with these names."""
        ...

    def save(self, entry: Entry) -> None:
        """Keep it, some time before the build ends."""
        ...

    def settled(self, image: Image) -> Image:
        """The image of the build when everything has been saved; it may know now where its layers are already."""
        ...
