from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from builder.errors import CacheError, StoreError
from builder.image.blob import Blob
from builder.image.manifest import Manifest
from builder.image.media import OCI_LAYER_GZIP, OCI_MANIFEST
from builder.image.verify import SMALL_LIMIT
from builder.store.layout import LayoutStore
from builder.store.warmed import WarmCache, WarmedStore

_BLOB = Blob.of(b"content", OCI_LAYER_GZIP)
_HOUR = timedelta(hours=1)


def warmed(tmp_path: Path, *, age: float = 0) -> WarmedStore:
    """A cache with one blob, written `age` seconds ago, before a store that has nothing."""
    cache = LayoutStore(tmp_path / "cache")
    cache.put(_BLOB)
    written = cache.blob_path(_BLOB.descriptor.digest).stat().st_mtime
    return WarmedStore(
        origin=LayoutStore(tmp_path / "origin"), cache=WarmCache(layout=cache, ttl=_HOUR, now=lambda: written + age)
    )


def test_what_the_cache_has_is_read_there(tmp_path: Path) -> None:
    store = warmed(tmp_path, age=3599)
    assert store.has(_BLOB.descriptor)
    with store.open(_BLOB.descriptor) as stream:
        assert stream.read() == b"content"


def test_what_has_been_there_for_too_long_is_not_there(tmp_path: Path) -> None:
    store = warmed(tmp_path, age=3600)
    assert not store.has(_BLOB.descriptor)
    with pytest.raises(StoreError, match="origin"):
        store.open(_BLOB.descriptor)


def test_a_tag_is_asked_at_the_origin(tmp_path: Path) -> None:
    store = warmed(tmp_path)
    store.cache.layout.tag("name", _BLOB)
    with pytest.raises(StoreError, match="origin"):
        store.resolve("name")


def test_a_directory_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    cache = WarmCache(layout=LayoutStore(tmp_path / "none"), ttl=_HOUR)
    assert not cache.has(_BLOB.descriptor)
    assert cache.manifest(str(_BLOB.descriptor.digest)) is None


LARGE = Blob.of(bytes(SMALL_LIMIT + 1), OCI_LAYER_GZIP)


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"x" * path.stat().st_size)])
def test_what_is_broken_is_read_at_the_origin(harm: Callable[[Path], object], tmp_path: Path) -> None:
    store = warmed(tmp_path)
    store.put(_BLOB)
    harm(store.cache.layout.blob_path(_BLOB.descriptor.digest))
    with store.open(_BLOB.descriptor) as stream:
        assert stream.read() == b"content"
    assert not store.cache.has(_BLOB.descriptor)


def test_what_is_large_and_broken_is_read_at_the_origin_the_next_time(tmp_path: Path) -> None:
    store = warmed(tmp_path)
    store.put(LARGE)
    store.cache.layout.put(LARGE)
    store.cache.layout.blob_path(LARGE.descriptor.digest).write_bytes(b"x" * LARGE.descriptor.size)
    with pytest.raises(CacheError, match="can't be had"), store.open(LARGE.descriptor) as stream:
        stream.read()
    with store.open(LARGE.descriptor) as stream:
        assert stream.read() == bytes(LARGE.descriptor.size)


def test_a_manifest_that_is_broken_is_none(tmp_path: Path) -> None:
    manifest = Manifest(media_type=OCI_MANIFEST, config=_BLOB.descriptor, layers=())
    blob = Blob.of(manifest.to_bytes(), OCI_MANIFEST)
    store = warmed(tmp_path)
    store.put(blob)
    store.cache.layout.put(blob)
    name = str(blob.descriptor.digest)
    assert store.cache.manifest(name) == blob.descriptor
    store.cache.layout.blob_path(blob.descriptor.digest).write_bytes(b"{}")
    assert store.cache.manifest(name) is None
    assert store.resolve(name) == blob.descriptor


def test_what_is_put_goes_to_the_origin(tmp_path: Path) -> None:
    store, other = warmed(tmp_path), Blob.of(b"other", OCI_LAYER_GZIP)
    store.put(other)
    assert (store.origin.has(other.descriptor), store.cache.layout.has(other.descriptor)) == (True, False)
