"""Finding the images that FROM and COPY --from name: in masu's store, a layout, an archive or a registry."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from builder.errors import StoreError
from builder.image.image import Image
from builder.image.platform import Platform
from builder.image.reference import ARCHIVE_PREFIX, LAYOUT_PREFIX, Reference
from builder.local import split_place
from builder.remotes import Remote
from builder.retry import Again
from builder.store.copy import load
from builder.store.layout import LayoutStore
from builder.values import dataclass, field

if TYPE_CHECKING:
    from builder.store.warmed import WarmCache

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """`local` is masu's own store: names given there with --tag come before a registry's, which is asked `again` if it fails.

    What `warm` has is not downloaded.
    """

    local: LayoutStore
    remote: Remote
    again: Again = field(default_factory=Again)
    warm: WarmCache | None = None

    def find(self, text: str, platform: Platform) -> Image:
        """The image for `platform` that `text` names; raises the store's or registry's own error."""
        if text.startswith(LAYOUT_PREFIX):
            path, name = split_place(text.removeprefix(LAYOUT_PREFIX))
            if not (path / "index.json").is_file():
                raise StoreError(f"no OCI layout at {str(path)!r}", hint="write oci-layout://DIR[:NAME][@DIGEST]")
            return load(LayoutStore(path), name, platform)
        if text.startswith(ARCHIVE_PREFIX):
            from builder.store.archive import read_archive

            path, name = split_place(text.removeprefix(ARCHIVE_PREFIX))
            return load(read_archive(path), name, platform)
        reference = Reference.parse(text)
        if str(reference) in self.local.names():
            log.info("using %s from the local store", reference.familiar)
            return load(self.local, str(reference), platform)
        store = self.remote(reference.repository)
        if self.warm:
            from builder.store.warmed import WarmedStore

            store = WarmedStore(origin=store, cache=self.warm)
        return self.again.run(lambda: load(store, reference.name, platform), what=f"looking for {reference}")
