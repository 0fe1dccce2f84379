"""Cached layers that can't be had after all: who reads one learns it, and it isn't found a second time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from builder.errors import CacheError, OutlineError, RootfsError
from builder.image.digest import Digest
from builder.image.layer import Layer
from builder.key import CacheKey
from builder.layer_cache import Entry, Findings, TagCache, Trusted, write_list
from builder.rootfs.plain import PlainRootfs
from builder.store.copy import blob_in
from builder.store.layout import LayoutStore
from tests.support.dockerfiles import AMD64
from tests.support.layers import layer_of
from tests.support.rehearsal import made_up
from tests.support.tree import make_tar, member

KEYS = [CacheKey(hex=letter * 64) for letter in "abc"]
NOW = datetime(2030, 1, 2, tzinfo=UTC)
TAR = make_tar((member("a"), b"x"))
CREATED = "2030-01-01T00:00:00Z"


@pytest.fixture
def findings() -> Findings:
    return Findings()


@pytest.fixture
def cache(tmp_path: Path, findings: Findings) -> Trusted:
    """A directory with a layer for each key, of one byte."""
    tags = TagCache(LayoutStore(tmp_path), platform=AMD64, ttl=timedelta(days=14), saves=True, now=lambda: NOW)
    for key in KEYS:
        tags.save(Entry(key=key, created=CREATED, layer=made_up(key.hex[0]), lineage=key))
    return Trusted(tags, findings)


def path_of(directory: Path, letter: str) -> Path:
    return LayoutStore(directory).blob_path(made_up(letter).blob.descriptor.digest)


def layer_for(cache: Trusted, key: CacheKey) -> Layer:
    layer = cache.look_up([key])[key].layer
    assert layer
    return layer


def read(layer: Layer) -> bytes:
    with layer.blob.open() as stream:
        return stream.read()


def test_what_is_whole_is_read(cache: Trusted) -> None:
    assert [read(layer_for(cache, key)) for key in KEYS] == [b"a", b"b", b"c"]


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"x")], ids=["gone", "other bytes"])
def test_what_is_broken_after_the_look_up_is_not_found_again(
    harm: Callable[[Path], object], cache: Trusted, findings: Findings, tmp_path: Path
) -> None:
    layer = layer_for(cache, KEYS[0])
    harm(path_of(tmp_path, "a"))
    with pytest.raises(CacheError, match="the cached layer sha256:ca978112"):
        read(layer)
    assert findings.begin_again() == 2
    assert list(cache.look_up(KEYS)) == KEYS[1:]


def test_the_second_time_only_what_can_be_opened_is_found(findings: Findings, tmp_path: Path) -> None:
    there, store = made_up("a"), LayoutStore(tmp_path)
    gone = replace(there, blob=blob_in(store, there.blob.descriptor))  # a registry's manifests go on telling of it
    entries = {
        key: Entry(key=key, created=CREATED, layer=layer, lineage=key) for key, layer in zip(KEYS, (there, gone), strict=False)
    }
    assert list(findings.trusted(entries)) == KEYS[:2]
    findings.begin_again()
    assert list(findings.trusted(entries)) == KEYS[:1]


def test_the_last_time_nothing_is_trusted_but_what_the_build_has_made(cache: Trusted, findings: Findings) -> None:
    entry = Entry(key=KEYS[0], created=CREATED, layer=made_up("a"), lineage=KEYS[0])
    note = Entry(key=KEYS[1], created=CREATED, note="it")
    cache.save(note)
    findings.made.save(entry)
    assert [findings.begin_again() for _ in range(3)] == [2, 3, 0]
    assert cache.look_up(KEYS) == {note.key: note}
    assert findings.made.look_up(KEYS) == {entry.key: entry}


def unpack(layer: Layer, directory: Path) -> None:
    with layer.blob.open() as stream:
        PlainRootfs(directory).unpack(stream, diff_id=layer.diff_id)


@pytest.mark.parametrize(
    ("layer", "why"),
    [(replace(layer_of(TAR), diff_id=Digest.of(b"other")), "has the diff_id"), (made_up("no tar"), "can't be had")],
)
def test_a_layer_that_cannot_be_unpacked_is_lost(layer: Layer, why: str, findings: Findings, tmp_path: Path) -> None:
    unpack(findings.guarded(layer_of(TAR)), tmp_path / "tree")
    with pytest.raises(CacheError, match=why):
        unpack(findings.guarded(layer), tmp_path / "other")


def test_a_full_disk_and_a_tree_that_is_not_enough_are_no_fault_of_the_layer(findings: Findings) -> None:
    full = RootfsError("can't write")
    full.__cause__ = OSError(28, "No space left on device")
    for error in (full, OutlineError("more is needed"), OSError(5, "Input/output error"), KeyboardInterrupt()):
        with pytest.raises(type(error)), findings.guarded(made_up("x")).blob.open():
            raise error


def test_a_list_is_written_without_what_is_lost(cache: Trusted, findings: Findings, tmp_path: Path) -> None:
    entries = list(cache.look_up(KEYS).values())
    assert findings.without_lost(entries) == entries
    path_of(tmp_path, "b").unlink()
    with pytest.raises(CacheError):
        write_list(entries, to=LayoutStore(tmp_path / "list"), name="list")
    assert [entry.layer is not None for entry in findings.without_lost(entries)] == [True, False, True]
