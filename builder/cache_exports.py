"""What --cache-to asks for, when the build is done."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from builder.cache_flags import CacheFlag, Kind
from builder.errors import CacheError
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.product import Product
from builder.image.reference import Reference
from builder.key import CacheKey
from builder.layer_cache import TROUBLE, Entry, Findings, inlined, write_list
from builder.lookup import Lookup
from builder.remotes import Remote
from builder.store import Store
from builder.store.layout import LayoutStore
from builder.values import dataclass, replace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheExports:
    """`targets` are those of --cache-to, in their order; `lookups` know the layers, one for each platform, and `findings`, which
    of them can't be had.
    """

    targets: Sequence[CacheFlag]
    lookups: Sequence[Lookup]
    remote: Remote
    findings: Findings

    def inline(self, image: Image, lookup: Lookup) -> Image:
        """The image, with the records that `lookup` has of it in it if that was asked for."""
        if not any(target.kind is Kind.INLINE for target in self.targets):
            return image
        return inlined(image, lookup.kept(of_all=False))

    def write(self, product: Product, pushed: Sequence[Reference]) -> None:
        """Write the other documents; a registry is told that it has the layers of the images, which it was `pushed` to."""
        for target in self.targets:
            if target.kind is not Kind.INLINE:
                try:
                    self._write(target, product, pushed)
                except TROUBLE as error:
                    log.warning("--cache-to %s can't be written, the image is built without: %s", target.text, error)
                else:
                    log.info("wrote the layer cache %s", target.text)

    def _write(self, target: CacheFlag, product: Product, pushed: Sequence[Reference]) -> None:
        """Without the layers that can't be had, of which the build has needed none."""
        kept = list(_at_home(self._kept(of_all=target.of_all), product, pushed))
        while True:
            entries = self.findings.without_lost(kept)
            try:
                return write_list(entries, to=self._store(target), name=target.name)
            except CacheError as error:
                if self.findings.without_lost(entries) == entries:
                    raise
                log.warning("--cache-to %s is written without a layer: %s", target.text, error.message)

    def _kept(self, *, of_all: bool) -> Iterable[Entry]:
        """For all platforms; an entry that has its layer for one is wanted with it."""
        entries: dict[CacheKey, Entry] = {}
        for entry in (entry for lookup in self.lookups for entry in lookup.kept(of_all=of_all)):
            if entry.layer or entry.key not in entries:
                entries[entry.key] = entry
        return entries.values()

    def _store(self, target: CacheFlag) -> Store:
        return self.remote(target.reference.repository) if target.reference else LayoutStore(Path(target.directory))


def _at_home(entries: Iterable[Entry], product: Product, pushed: Sequence[Reference]) -> Iterable[Entry]:
    inside = {layer.blob.descriptor.digest for layer in product.layers}

    def known(layer: Layer) -> Layer:
        if layer.blob.origin or not pushed or layer.blob.descriptor.digest not in inside:
            return layer
        return replace(layer, blob=replace(layer.blob, origin=pushed[0].repository))

    return (replace(entry, layer=known(entry.layer)) if entry.layer else entry for entry in entries)
