"""Reading a saved mount and unpacking it, pack by pack while the next ones come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from builder.errors import ImageError, NotFoundError, RootfsError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.manifest import Manifest
from builder.image.verify import verified
from builder.rootfs import Owners, paths
from builder.rootfs.unpack import apply_layer
from builder.saved_mounts.content import INDEX, INDEX_LIMIT, Content, Pack
from builder.store import Store
from builder.store.copy import blob_in, document
from builder.store.layout import LayoutStore
from builder.values import dataclass, replace

_AHEAD = 4  # packs that are fetched while one is unpacked
_SPARE = 64 << 20
_ROOM = 3
"""An honest saved mount has at most as much dead as alive, and directories in each pack: less than so many times its limit."""


def find(store: Store, tag: str) -> Descriptor | None:
    """The manifest of a saved mount; None when there is none. Raises BuilderError."""
    if isinstance(store, LayoutStore) and tag not in store.names():
        return None
    try:
        return store.resolve(tag)
    except NotFoundError:
        return None


def read(store: Store, manifest: Descriptor) -> Content:
    """What it consists of. Raises BuilderError; ImageError when that is none of ours."""
    _, parsed = document(store, manifest)
    if not isinstance(parsed, Manifest) or parsed.config.media_type != INDEX:
        raise ImageError(f"{manifest.digest} is no saved cache mount")
    if parsed.config.size > INDEX_LIMIT:
        raise ImageError(f"the index of the saved cache mount {manifest.digest} has {parsed.config.size} bytes")
    with store.open(parsed.config) as stream:
        return Content.from_index(stream.read(), parsed.layers)


def unpack(content: Content, store: Store, path: Path, owners: Owners, *, limit: int, directory: Path) -> int:
    """Make the directory `path` and put all of it there; packs are fetched into `directory`. Returns the bytes fetched.

    Raises BuilderError, also when it is far more than `limit` bytes.
    """
    budget = _Budget(left=_ROOM * limit + _SPARE)
    budget.check(sum(pack.descriptor.size for pack in content.layers))
    path.mkdir()
    with paths.opened_root(path) as root_fd:
        for blob, pack in _fetched(content.layers, store, directory):
            with blob.open() as stream:
                apply_layer(root_fd, stream, owners, diff_id=pack.diff_id, watch=budget.spend)
            if blob.path is not None and blob.path.parent == directory:
                blob.path.unlink()
    return sum(pack.descriptor.size for pack in content.layers)


@dataclass(slots=True, kw_only=True)
class _Budget:
    """How many bytes may still be unpacked, `left` of them."""

    left: int

    def check(self, size: int) -> None:
        if size > self.left:
            raise RootfsError("the saved cache mount is far larger than --cache-mounts-limit allows")

    def spend(self, size: int) -> None:
        self.check(size)
        self.left -= size


def _fetched(packs: tuple[Pack, ...], store: Store, directory: Path) -> Iterator[tuple[Blob, Pack]]:
    """The packs in order, each in a file; some are fetched ahead."""
    coming: deque[tuple[Pack, Future[Blob]]] = deque()
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="restore") as pool:
        try:
            for number, pack in enumerate(packs):
                coming.append((pack, pool.submit(_fetch, store, pack.descriptor, directory / f"pack-{number}")))
                if len(coming) > _AHEAD:
                    first, blob = coming.popleft()
                    yield blob.result(), first
            while coming:
                first, blob = coming.popleft()
                yield blob.result(), first
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _fetch(store: Store, descriptor: Descriptor, path: Path) -> Blob:
    """In a file of ours; what a layout has is read there."""
    blob = blob_in(store, descriptor)
    if isinstance(store, LayoutStore):
        return blob
    with blob.open() as source, path.open("wb") as out:
        while chunk := source.read(1 << 20):
            out.write(chunk)
    return replace(blob, path=path, open=lambda: verified(path.open("rb", buffering=0), descriptor, where=str(path)))
