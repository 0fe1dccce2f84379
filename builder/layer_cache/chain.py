"""Several caches as one: asked in their order, each for what the ones before it haven't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from builder.image.image import Image
from builder.key import CacheKey
from builder.layer_cache.entry import Entry

if TYPE_CHECKING:
    from builder.layer_cache import Cache


class Chain:
    """A Cache made of others; what is saved goes to all. Of none it is an empty one."""

    def __init__(self, caches: Sequence[Cache]) -> None:
        self._caches = tuple(caches)

    def look_up(self, keys: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        return self._asked(keys, lambda cache: cache.look_up)

    def last(self, places: Iterable[CacheKey]) -> Mapping[CacheKey, Entry]:
        return self._asked(places, lambda cache: cache.last)

    def save(self, entry: Entry) -> None:
        for cache in self._caches:
            cache.save(entry)

    def settled(self, image: Image) -> Image:
        for cache in self._caches:
            image = cache.settled(image)
        return image

    def _asked(
        self, keys: Iterable[CacheKey], ask: Callable[[Cache], Callable[[Iterable[CacheKey]], Mapping[CacheKey, Entry]]]
    ) -> Mapping[CacheKey, Entry]:
        missing, found, lesser = list(dict.fromkeys(keys)), dict[CacheKey, Entry](), dict[CacheKey, Entry]()
        for cache in self._caches:
            if missing:
                answer = ask(cache)(missing)
                found |= {key: entry for key, entry in answer.items() if _is_whole(entry)}
                lesser |= {key: entry for key, entry in answer.items() if key not in lesser or not entry.is_old}
                missing = [key for key in missing if key not in found]
        return {**lesser, **found}


def _is_whole(entry: Entry) -> bool:
    return not entry.is_old and bool(entry.layer or entry.note)
