"""Names in the local store: `masu tag` and `rm`."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from builder.errors import StoreError, UsageError
from builder.image.reference import Reference
from builder.local import familiar, look_up, names_of, opened_store
from builder.options import CommonOptions, RemoveOptions
from builder.state import State
from builder.store.copy import load_all
from builder.store.garbage import forget
from builder.store.layout import LayoutStore

log = logging.getLogger(__name__)


def tag_image(source: str, name: str, common: CommonOptions, env: Mapping[str, str]) -> None:
    """Give what `source` means one more name, or move the name here. Raises BuilderError."""
    reference = Reference.parse(name)
    if reference.digest is not None:
        raise UsageError(f"can't give an image the name {name!r}", hint="a new name has a tag, no digest")
    with opened_store(common, env) as store:
        bundle = load_all(store, str(look_up(store, source).digest))
        missing = [blob for blob in (*bundle.documents, *bundle.blobs) if not store.has(blob.descriptor)]
        if missing:
            hint = "pull or load it again"
            raise StoreError(f"image {source!r} is not whole: blob {missing[0].descriptor.digest} is missing", hint=hint)
        store.tag(str(reference), bundle.manifest)


def remove_images(names: Sequence[str], options: RemoveOptions, common: CommonOptions, env: Mapping[str, str]) -> list[str]:
    """Remove names, and what nobody else needs of the images; returns the names. Nothing is removed when one isn't there.

    Raises StoreError; also for a digest that has several names, unless `force` says to remove them all.
    """
    store = LayoutStore(State.at(common.state_dir, env).store)  # holding nothing, for all this may go
    removed = {name for text in names for name in _names(store, text, force=options.force)}
    log.debug("freed %d bytes", forget(store, removed))
    return sorted(familiar(name) for name in removed)


def _names(store: LayoutStore, text: str, *, force: bool) -> list[str]:
    found = names_of(store, text)
    if not found:
        raise StoreError(f"image {text!r} has no name", hint="masu prune removes images without names")
    if len(found) > 1 and not force:
        shown = ", ".join(familiar(name) for name in found)
        raise StoreError(f"image {text!r} has {len(found)} names: {shown}", hint="give the name to remove, or --force for all")
    return found
