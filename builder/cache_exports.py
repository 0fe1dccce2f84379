"""What --cache-to asks for, when the build is done."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from builder.cache_flags import CacheFlag, Kind
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.reference import Reference
from builder.layer_cache import TROUBLE, Entry, inlined, write_list
from builder.lookup import Lookup
from builder.remotes import Remote
from builder.store import Store
from builder.store.layout import LayoutStore
from builder.values import dataclass, replace

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheExports:
    """`targets` are those of --cache-to, in their order."""

    targets: Sequence[CacheFlag]
    lookup: Lookup
    remote: Remote

    def inline(self, image: Image) -> Image:
        """The image, with its records in it if that was asked for."""
        if not any(target.kind is Kind.INLINE for target in self.targets):
            return image
        return inlined(image, self.lookup.kept(of_all=False))

    def write(self, image: Image, pushed: Sequence[Reference]) -> None:
        """Write the other documents; a registry is told that it has the layers of the image, which it was `pushed` to."""
        for target in self.targets:
            if target.kind is not Kind.INLINE:
                try:
                    write_list(
                        tuple(_at_home(self.lookup.kept(of_all=target.of_all), image, pushed)),
                        to=self._store(target),
                        name=target.name,
                    )
                except TROUBLE as error:
                    log.warning("--cache-to %s can't be written, the image is built without: %s", target.text, error)
                else:
                    log.info("wrote the layer cache %s", target.text)

    def _store(self, target: CacheFlag) -> Store:
        return self.remote(target.reference.repository) if target.reference else LayoutStore(Path(target.directory))


def _at_home(entries: Iterable[Entry], image: Image, pushed: Sequence[Reference]) -> Iterable[Entry]:
    inside = {layer.blob.descriptor.digest for layer in image.layers}

    def known(layer: Layer) -> Layer:
        if layer.blob.origin or not pushed or layer.blob.descriptor.digest not in inside:
            return layer
        return replace(layer, blob=replace(layer.blob, origin=pushed[0].repository))

    return (replace(entry, layer=known(entry.layer)) if entry.layer else entry for entry in entries)
