from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.image.blob import Blob
from builder.image.media import OCI_LAYER_GZIP
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


def test_what_is_put_goes_to_the_origin(tmp_path: Path) -> None:
    store, other = warmed(tmp_path), Blob.of(b"other", OCI_LAYER_GZIP)
    store.put(other)
    assert (store.origin.has(other.descriptor), store.cache.layout.has(other.descriptor)) == (True, False)
