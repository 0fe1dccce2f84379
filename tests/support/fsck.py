"""Whether a layout is whole."""

from __future__ import annotations

from pathlib import Path

from builder.store.copy import load_all
from builder.store.garbage import blobs
from builder.store.layout import LayoutStore


def check_layout(path: Path) -> int:
    """Read every blob to its end: all that names lead to, and all that just lie there. Returns the number of names.

    Raises the store's own error for one that is missing, short or changed.
    """
    store = LayoutStore(path)
    names = store.names()
    for name in names:
        bundle = load_all(store, name)
        for blob in (bundle.manifest, *bundle.documents, *bundle.blobs):
            with blob.open() as stream:
                while stream.read(1 << 20):
                    pass
    for digest, file in blobs(store):
        hasher = digest.hasher()
        hasher.update(file.read_bytes())
        assert hasher.hexdigest() == digest.hex, f"{file} has other content"
    return len(names)
