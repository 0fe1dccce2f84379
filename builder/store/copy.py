"""Reading an image from a store, and `copy`, the only mover of images."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast, runtime_checkable

from builder.errors import ImageError, StoreError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.manifest import Index, Manifest, parse_manifest
from builder.image.platform import Platform, choose
from builder.image.product import Product
from builder.image.reference import Repository
from builder.image.verify import read_small
from builder.store import Store
from builder.store.bundle import Bundle
from builder.values import replace

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

log = logging.getLogger(__name__)

_NESTED_INDEXES = 3
_MOST_DOCUMENTS = 1000
_JOBS = 10  # a registry takes its time for each blob, and small ones are mostly waiting


@runtime_checkable
class InRegistry(Protocol):
    """A store whose blobs a registry may mount elsewhere."""

    repository: Repository


@runtime_checkable
class Mirrored(Protocol):
    """A store that reads from several places."""

    def locate(self, name: str) -> tuple[Store, Descriptor]:
        """The place that has what `name` means, and that."""
        ...


@runtime_checkable
class InFiles(Protocol):
    """A store that keeps each blob in a file."""

    def own_file(self, digest: Digest) -> Path | None:
        """The file, if nobody but masu writes there: what is in it was verified."""
        ...


def load(store: Store, name: str, platform: Platform) -> Image:
    """The image that `name` means, of an index the one for `platform`; layers are read when they are opened.

    Raises ImageError when it isn't an image, or the index has none for the platform.
    """
    store, descriptor = store.locate(name) if isinstance(store, Mirrored) else (store, store.resolve(name))
    manifest, parsed = _manifest(store, descriptor, name, platform)
    config = _in_memory(store, parsed.config)
    image = Image.read(manifest=manifest, parsed=parsed, config=config, blob_of=blobs_in(store))
    if not choose([replace(manifest.descriptor, platform=image.config.platform)], platform):
        log.warning("image %r is for %s, not for %s", name, image.config.platform, platform)
    return image


def load_all(store: Store, name: str) -> Bundle:
    """What `name` means, of an index all platforms; configs and layers are read when they are opened.

    Raises ImageError for a malformed document, and for an index with too many.
    """
    store, descriptor = store.locate(name) if isinstance(store, Mirrored) else (store, store.resolve(name))
    blob_of = blobs_in(store)
    documents: dict[Digest, Blob] = {}
    blobs: dict[Digest, Blob] = {}
    level = [descriptor]
    for _ in range(_NESTED_INDEXES):
        below: list[Descriptor] = []
        for item in level:
            blob, parsed = document(store, item)
            documents[item.digest] = documents.pop(item.digest, blob)  # the deepest place counts
            if isinstance(parsed, Index):
                below += parsed.manifests
            else:
                blobs |= {part.digest: blob_of(part) for part in (*parsed.layers, parsed.config)}
        level = list({item.digest: item for item in below}.values())
        if len(documents) + len(level) > _MOST_DOCUMENTS:
            raise ImageError(f"image {name!r} has more than {_MOST_DOCUMENTS} manifests")
    if level:
        raise ImageError(f"image {name!r} is an index of indexes, deeper than {_NESTED_INDEXES}")
    root = documents.pop(descriptor.digest)
    return Bundle(manifest=root, documents=tuple(reversed(documents.values())), blobs=tuple(blobs.values()))


def copy(source: Image | Product | Bundle, *, to: Store, names: Sequence[str], jobs: int = _JOBS) -> Descriptor:
    """Store it under every name and return its manifest's descriptor; without names its manifest has only its digest.

    `jobs` blobs go at a time; the manifest follows when all are there. After an error the others are given up.
    """
    bundle = source if isinstance(source, Bundle) else Bundle.of(source)
    _put_all(bundle.blobs, to=to, jobs=jobs)
    for blob in bundle.documents:
        to.put(blob)
    for name in names:
        to.tag(name, bundle.manifest)
    if not names:
        to.put(bundle.manifest)
    return bundle.manifest.descriptor


def _put_all(blobs: Sequence[Blob], *, to: Store, jobs: int) -> None:
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="copy") as pool:
        running = [pool.submit(to.put, _stoppable(blob, stop)) for blob in blobs]
        try:
            for future in as_completed(running):
                future.result()
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _StoppableReader(io.BufferedIOBase):
    def __init__(self, source: BinaryIO, stop: threading.Event) -> None:
        self._source = source
        self._stop = stop
        self.raw = getattr(source, "raw", None)  # so that verifying once is enough

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        if self._stop.is_set():
            raise StoreError("stopped, because another blob failed or the build was interrupted")
        return self._source.read(-1 if size is None else size)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._stop.is_set():
            raise StoreError("stopped, because another blob failed or the build was interrupted")
        return cast(io.BufferedIOBase, self._source).readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


def _stoppable(blob: Blob, stop: threading.Event) -> Blob:
    """The same blob, whose streams fail once `stop` is set: a big one shouldn't hold up the error of a small one."""
    return replace(blob, open=lambda: cast(BinaryIO, _StoppableReader(blob.open(), stop)))


def _manifest(store: Store, descriptor: Descriptor, name: str, platform: Platform) -> tuple[Blob, Manifest]:
    for _ in range(_NESTED_INDEXES):
        blob, parsed = document(store, descriptor)
        if isinstance(parsed, Manifest):
            return blob, parsed
        descriptor = _choose(parsed, name, platform)
    raise ImageError(f"image {name!r} is an index of indexes, deeper than {_NESTED_INDEXES}")


def document(store: Store, descriptor: Descriptor) -> tuple[Blob, Manifest | Index]:
    """The manifest or index: its bytes, in memory, and what they mean. Raises ImageError."""
    blob = _in_memory(store, replace(descriptor, annotations={}))
    with blob.open() as stream:
        return blob, parse_manifest(stream.read(), descriptor.media_type)


def blob_in(store: Store, descriptor: Descriptor) -> Blob:
    """Content of a store, read when it is opened."""
    return blobs_in(store)(descriptor)


def blobs_in(store: Store) -> Callable[[Descriptor], Blob]:
    """What makes blobs of one store; asking of what kind a store is takes longer than all else."""
    origin = store.repository if isinstance(store, InRegistry) else None
    own_file = store.own_file if isinstance(store, InFiles) else None

    def blob(descriptor: Descriptor) -> Blob:
        path = own_file(descriptor.digest) if own_file is not None else None
        return Blob(descriptor=descriptor, open=lambda: store.open(descriptor), origin=origin, path=path)

    return blob


def _choose(index: Index, name: str, platform: Platform) -> Descriptor:
    chosen = choose(index.manifests, platform)
    if chosen is None and len(index.manifests) == 1 and index.manifests[0].platform is None:
        return index.manifests[0]
    if chosen is None:
        known = sorted({str(item.platform) for item in index.manifests if item.platform and item.platform.os != "unknown"})
        raise ImageError(f"image {name!r} has nothing for platform {platform}", hint=f"it has: {', '.join(known) or 'none'}")
    return chosen


def _in_memory(store: Store, descriptor: Descriptor) -> Blob:
    data = read_small(store.open(descriptor), descriptor, where="its store")
    return replace(blob_in(store, descriptor), open=lambda: io.BytesIO(data))
