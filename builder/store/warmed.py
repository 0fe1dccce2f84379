"""Images that were fetched before: an OCI layout, and a store that asks it before the registry, but for what a tag means."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO, NoReturn, cast

from builder.errors import BuilderError, CacheError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.guarded import Guarded
from builder.image.reference import Repository
from builder.image.verify import SMALL_LIMIT, read_small
from builder.store import Store
from builder.store.copy import InRegistry, Mirrored
from builder.store.layout import LayoutStore
from builder.store.names import digest_of
from builder.values import dataclass, field, replace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmCache:
    """An OCI layout that `masu warmer` fills; nothing in it counts that has been there for longer than `ttl`, or is `broken`."""

    layout: LayoutStore
    ttl: timedelta
    now: Callable[[], float] = time.time
    broken: set[Digest] = field(default_factory=set)

    def has(self, descriptor: Descriptor) -> bool:
        """Whether it has this content, and not for too long."""
        return self._is_fresh(descriptor.digest) and self.layout.has(descriptor)

    def manifest(self, name: str) -> Descriptor | None:
        """The manifest or index that the digest in `name` means, if it is here."""
        digest = digest_of(name)
        if digest is None or not self._is_fresh(digest):
            return None
        try:
            found = self.layout.resolve(name)
            read_small(self.layout.open(found), found, where=str(self.layout.path))
        except (BuilderError, OSError) as error:
            self._pass_over(digest, error)
            return None
        return found

    def small(self, descriptor: Descriptor) -> BinaryIO | None:
        """What is verified already, in memory; None if it is broken."""
        try:
            return io.BytesIO(read_small(self.layout.open(descriptor), descriptor, where=str(self.layout.path)))
        except (BuilderError, OSError) as error:
            self._pass_over(descriptor.digest, error)
            return None

    def large(self, descriptor: Descriptor) -> BinaryIO:
        """Whoever reads it meets a CacheError if it is broken; the next time it isn't here."""

        def lost(error: Exception) -> NoReturn:
            self.broken.add(descriptor.digest)
            raise CacheError(f"{descriptor.digest} can't be had from {str(self.layout.path)!r}: {error}") from error

        return cast(BinaryIO, Guarded(lambda: self.layout.open(descriptor), lost))

    def _pass_over(self, digest: Digest, error: Exception) -> None:
        self.broken.add(digest)
        log.warning("can't read %s from %s: %s; reading it from the registry", digest, self.layout.path, error)

    def _is_fresh(self, digest: Digest) -> bool:
        if digest in self.broken:
            return False
        try:
            return self.now() - self.layout.blob_path(digest).stat().st_mtime < self.ttl.total_seconds()
        except (FileNotFoundError, NotADirectoryError):
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmedStore:
    """The repository `origin` with the `cache` before it. Nothing is written to the cache; what is read from it is verified.

    What is broken there is read from the origin: what is small at once, else when it is opened again.
    """

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
        if not self.cache.has(descriptor):
            return self.origin.open(descriptor)
        if descriptor.size > SMALL_LIMIT:
            return self.cache.large(descriptor)
        return self.cache.small(descriptor) or self.origin.open(descriptor)

    def resolve(self, name: str) -> Descriptor:
        return self.cache.manifest(name) or self.origin.resolve(name)

    def put(self, blob: Blob) -> None:
        self.origin.put(blob)

    def tag(self, name: str, manifest: Blob) -> None:
        self.origin.tag(name, manifest)
