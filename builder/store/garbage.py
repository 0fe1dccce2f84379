"""Deleting from a layout: what no name leads to and no process holds.

Blobs are found, stored and named under the layout's lock, and deleted under it exclusively (`LayoutStore.locked`), so that who
found a blob holds it before anyone looks for garbage. A kill leaves blobs that nothing needs, never a name without its blobs.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from builder.errors import ImageError, StoreError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import INDEXES, MANIFESTS, MediaType
from builder.image.verify import SMALL_LIMIT
from builder.store.holds import is_held
from builder.store.layout import PART, LayoutStore
from builder.store.names import REF_NAME, referred_to, sniff
from builder.values import dataclass

log = logging.getLogger(__name__)

_DOCUMENTS = MANIFESTS | INDEXES
_CONTENT = MediaType("application/octet-stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A blob of the layout: `size` in bytes, `used` when it was last stored or looked up, in seconds since the epoch."""

    digest: Digest
    size: int
    used: float


def reachable(store: LayoutStore, roots: Iterable[Descriptor]) -> dict[Digest, Descriptor]:
    """The roots and all that manifests and indexes among them refer to, whether it is there or not."""
    found: dict[Digest, Descriptor] = {}
    waiting = list(roots)
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest not in found:
            found[descriptor.digest] = descriptor
            waiting += _children(store, descriptor)
    return found


def unreferenced(store: LayoutStore) -> list[Stored]:
    """The blobs that may be deleted now."""
    with store.locked(shared=True):
        return _garbage(store)


def delete(store: LayoutStore, digests: Collection[Digest]) -> int:
    """Delete those that are still unreferenced; returns their bytes."""
    wanted = set(digests)
    with store.locked():
        return _unlink(store, [item for item in _garbage(store) if item.digest in wanted])


def forget(store: LayoutStore, names: Collection[str]) -> int:
    """Remove the names, and of what they meant all that nobody else needs; returns its bytes."""
    unwanted = set(names)
    with store.locked():
        entries = store.entries()
        kept = [entry for entry in entries if entry.annotations.get(REF_NAME) not in unwanted]
        store.write_index(kept)
        freed = reachable(store, [entry for entry in entries if entry.annotations.get(REF_NAME) in unwanted])
        return _unlink(store, [item for item in _garbage(store) if item.digest in freed])


def abandoned(store: LayoutStore) -> list[Path]:
    """Files that killed processes were writing. They can be deleted at any time: nobody will look at them again."""
    with store.locked():  # exclusively: a new file has its own lock a moment later
        return [path for path in sorted(store.path.glob(f".*{PART}")) if not is_held(path)]


def _garbage(store: LayoutStore) -> list[Stored]:
    """Whoever calls this has the lock, so that nobody begins to hold anything meanwhile."""
    needed = reachable(store, store.entries()).keys()
    rest = {digest: path for digest, path in blobs(store) if digest not in needed}
    held = reachable(store, [_described(digest, path) for digest, path in rest.items() if is_held(path)])
    return [_stored(digest, path) for digest, path in rest.items() if digest not in held]


def blobs(store: LayoutStore, start: str = "") -> Iterator[tuple[Digest, Path]]:
    """Every blob and its file; only those whose digests begin with these digits."""
    for path in sorted(store.path.glob(f"blobs/*/{start}*")):
        try:
            yield Digest.parse(f"{path.parent.name}:{path.name}"), path
        except ImageError:
            log.debug("not a blob: %s", path)


def _stored(digest: Digest, path: Path) -> Stored:
    status = path.stat()
    return Stored(digest=digest, size=status.st_size, used=status.st_mtime)


def _described(digest: Digest, path: Path) -> Descriptor:
    """What nothing but the bytes tell of a blob that no name leads to."""
    size = path.stat().st_size
    try:
        return sniff(path.read_bytes() if size <= SMALL_LIMIT else b"", digest)
    except StoreError:
        return Descriptor(media_type=_CONTENT, digest=digest, size=size)


def _children(store: LayoutStore, parent: Descriptor) -> list[Descriptor]:
    path = store.blob_path(parent.digest)
    if parent.media_type not in _DOCUMENTS or not path.exists() or path.stat().st_size > SMALL_LIMIT:
        return []
    return referred_to(path.read_bytes())


def _unlink(store: LayoutStore, items: Sequence[Stored]) -> int:
    """Documents first: no manifest shall be found by its digest whose layers have gone."""
    paths = {item.digest: store.blob_path(item.digest) for item in items}
    documents = [digest for digest, path in paths.items() if _described(digest, path).media_type in _DOCUMENTS]
    for digest in dict.fromkeys([*documents, *paths]):
        log.debug("deleting %s", paths[digest])
        paths[digest].unlink()
    return sum(item.size for item in items)
