"""Images that were fetched before: an OCI layout, and a store that asks it before the registry, but for what a tag means."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO, cast

from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.reference import Repository
from builder.store import Store
from builder.store.copy import InRegistry, Mirrored
from builder.store.layout import LayoutStore
from builder.store.names import digest_of
from builder.values import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmCache:
    """An OCI layout that `masu warmer` fills; nothing in it counts that has been there for longer than `ttl`."""

    layout: LayoutStore
    ttl: timedelta
    now: Callable[[], float] = time.time

    def has(self, descriptor: Descriptor) -> bool:
        """Whether it has this content, and not for too long."""
        return self.layout.has(descriptor) and self._is_fresh(descriptor.digest)

    def manifest(self, name: str) -> Descriptor | None:
        """The manifest or index that the digest in `name` means, if it is here."""
        digest = digest_of(name)
        return self.layout.resolve(name) if digest is not None and self._is_fresh(digest) else None

    def _is_fresh(self, digest: Digest) -> bool:
        try:
            return self.now() - self.layout.blob_path(digest).stat().st_mtime < self.ttl.total_seconds()
        except (FileNotFoundError, NotADirectoryError):
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmedStore:
    """The repository `origin` with the `cache` before it. Nothing is written to the cache; what is read from it is verified."""

    origin: Store
    cache: WarmCache

    @property
    def repository(self) -> Repository:
        """Where a registry may mount its blobs from; AttributeError where there is none."""
        return cast(InRegistry, self.origin).repository

    def locate(self, name: str) -> tuple[Store, Descriptor]:
        """The place among the mirrors that has what `name` means, with the cache before it, and that."""
        known = self.cache.manifest(name)
        if known is not None or not isinstance(self.origin, Mirrored):
            return self, known or self.origin.resolve(name)
        place, descriptor = self.origin.locate(name)
        return replace(self, origin=place), descriptor

    def has(self, descriptor: Descriptor) -> bool:
        return self.cache.has(descriptor) or self.origin.has(descriptor)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        return self.cache.layout.open(descriptor) if self.cache.has(descriptor) else self.origin.open(descriptor)

    def resolve(self, name: str) -> Descriptor:
        return self.cache.manifest(name) or self.origin.resolve(name)

    def put(self, blob: Blob) -> None:
        self.origin.put(blob)

    def tag(self, name: str, manifest: Blob) -> None:
        self.origin.tag(name, manifest)
