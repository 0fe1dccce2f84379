"""Lists of layers: written and read again, chained, and whatever else may lie under their names."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from builder.image.annotations import Annotations
from builder.image.blob import Blob
from builder.image.config import Config
from builder.image.image import Image
from builder.image.manifest import Index, Manifest, parse_manifest
from builder.image.media import OCI_INDEX, OCI_MANIFEST, Format
from builder.image.product import Product
from builder.key import CacheKey
from builder.layer_cache import Chain, Entry, ListedCache, TagCache, inlined, write_list
from builder.layer_cache.listed import INLINE, RECORDS
from builder.store.bundle import Bundle
from builder.store.copy import copy
from builder.store.layout import LayoutStore
from tests.support.dockerfiles import AMD64, ARM64
from tests.support.rehearsal import made_up

NOW = datetime(2030, 1, 2, tzinfo=UTC)
KEY, NOTED, PLACE = (CacheKey(hex=letter * 64) for letter in "abc")
LAYER = Entry(key=KEY, created="2030-01-01T00:00:00Z", text="RUN x", layer=made_up("x"), lineage=PLACE, place=PLACE)
NOTE = Entry(key=NOTED, created="", note="sha256:" + "0" * 64)


def cache(path: Path, name: str = "list", *, ttl: timedelta = timedelta(days=14)) -> ListedCache:
    return ListedCache(lambda: LayoutStore(path), name, shown="it", platform=AMD64, ttl=ttl, now=lambda: NOW)


def put(path: Path, records: bytes, *, layers: tuple[Blob, ...] = ()) -> None:
    """A list whose config are these bytes."""
    config = Blob.of(records, RECORDS)
    descriptors = tuple(layer.descriptor for layer in layers)
    manifest = Manifest(media_type=OCI_MANIFEST, config=config.descriptor, layers=descriptors)
    bundle = Bundle(manifest=Blob.of(manifest.to_bytes(), OCI_MANIFEST), blobs=(config, *layers))
    copy(bundle, to=LayoutStore(path), names=["list"])


def test_what_is_written_is_read(tmp_path: Path) -> None:
    twice = Entry(key=PLACE, created=LAYER.created, layer=LAYER.layer, lineage=KEY)
    write_list([LAYER, NOTE, twice], to=LayoutStore(tmp_path), name="list")
    found = cache(tmp_path).look_up([KEY, NOTED, PLACE])
    layer = found[KEY].layer
    assert layer
    with layer.blob.open() as stream:
        assert stream.read() == b"x"
    assert (found[KEY].lineage, found[KEY].text, found[NOTED].note) == (PLACE, "RUN x", NOTE.note)
    assert cache(tmp_path).last([PLACE])[PLACE].key == KEY
    assert len(list((tmp_path / "blobs/sha256").iterdir())) == 3, "one layer, a list and its manifest"


def test_the_same_entries_make_the_same_list(tmp_path: Path) -> None:
    for name in ("one", "list"):
        write_list([LAYER, NOTE], to=LayoutStore(tmp_path), name=name)
    again = [*cache(tmp_path).look_up([KEY, NOTED]).values()]
    write_list(again, to=LayoutStore(tmp_path), name="three")
    assert len({descriptor.digest for descriptor in LayoutStore(tmp_path).names().values()}) == 1


def test_entries_get_old_but_notes_do_not(tmp_path: Path) -> None:
    write_list([LAYER, NOTE], to=LayoutStore(tmp_path), name="list")
    found = cache(tmp_path, ttl=timedelta(hours=1)).look_up([KEY, NOTED])
    assert (found[KEY].is_old, found[NOTED].is_old) == (True, False)


def test_a_layer_that_is_not_there_is_known_by_its_digest(tmp_path: Path) -> None:
    write_list([LAYER.bare], to=LayoutStore(tmp_path), name="list")
    found = cache(tmp_path).look_up([KEY])[KEY]
    assert LAYER.layer
    assert (found.layer, found.result) == (None, LAYER.layer.diff_id)


def test_ingredients_are_left_out_of_a_list_that_would_be_too_long(tmp_path: Path) -> None:
    entries = [Entry(key=CacheKey(hex=f"{number:064}"), created="", note="n", ingredients="x" * 10**6) for number in range(5)]
    write_list(entries, to=LayoutStore(tmp_path), name="list")
    assert len(cache(tmp_path).look_up([entry.key for entry in entries])) == 5


DAMAGED: Mapping[str, Any] = {
    "not JSON": b"{",
    "deep": b"[" * 100_000,
    "no list": b"{}",
    "no records": b"[1]",
    "no key": b'[{"note": "x"}]',
    "a number": b'[{"key": 1}]',
    "a layer that isn't listed": json.dumps([{"key": KEY.hex, "layer": "sha256:" + "1" * 64}]).encode(),
    "no digest": json.dumps([{"key": KEY.hex, "diff-id": "x"}]).encode(),
    "a layer that is no text": json.dumps([{"key": KEY.hex, "layer": []}]).encode(),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_list_is_an_empty_one_and_told_once(data: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, data)
    found = cache(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert (found.look_up([KEY]), found.last([PLACE])) == ({}, {})
    assert len(caplog.records) == 1


STRANGE = [{"urls": ("https://elsewhere.example/x",)}, {"media_type": OCI_INDEX}]


@pytest.mark.parametrize("strange", STRANGE, ids=["to be fetched from elsewhere", "no layer"])
def test_what_masu_would_not_have_kept_is_not_found(
    strange: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert LAYER.layer
    blob = LAYER.layer.blob
    other = replace(LAYER.layer, blob=replace(blob, descriptor=replace(blob.descriptor, **strange)))
    write_list([replace(LAYER, layer=other)], to=LayoutStore(tmp_path), name="list")
    assert cache(tmp_path).look_up([KEY]) == {}
    assert "no layer of masu's" in caplog.text


@pytest.mark.parametrize("created", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00", "soon", ""])
def test_any_time_is_compared(created: str) -> None:
    entry = replace(LAYER, created=created)
    assert entry.aged(timedelta(days=100_000), NOW).is_old is not created.startswith("9")


@pytest.mark.parametrize("data", [None, b""])
def test_a_layer_that_its_directory_has_lost_is_not_found(
    data: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = LayoutStore(tmp_path)
    write_list([LAYER, NOTE], to=store, name="list")
    with TagCache(store, platform=AMD64, ttl=timedelta(days=14), saves=True, now=lambda: NOW) as tags:
        tags.save(LAYER)
    assert LAYER.layer
    blob = store.blob_path(LAYER.layer.blob.descriptor.digest)
    blob.unlink()
    if data is not None:
        blob.write_bytes(data)
    again = TagCache(store, platform=AMD64, ttl=timedelta(days=14), saves=False, now=lambda: NOW)
    assert (dict(cache(tmp_path).look_up([KEY])), dict(again.look_up([KEY]))) == ({}, {})
    assert [record.message.count("is not there, or not whole") for record in caplog.records] == [1, 1]
    assert again.last([PLACE])[PLACE].key == KEY


def image(**annotations: str) -> Image:
    layers = (made_up("base"), made_up("x"))
    return Image.make(config=Config(platform=AMD64), layers=layers, format=Format.OCI, annotations=annotations)


@pytest.mark.parametrize("is_indexed", [False, True])
def test_records_in_an_image(tmp_path: Path, is_indexed: bool) -> None:
    plain = image(a="b")
    made = inlined(plain, [LAYER, Entry(key=NOTED, created="", layer=made_up("elsewhere"), lineage=KEY), NOTE])
    annotations = Annotations(index={"c": "d"} if is_indexed else {})
    copy(Product.of([made], annotations=annotations), to=LayoutStore(tmp_path), names=["list"])
    with made.manifest.open() as stream:
        manifest = parse_manifest(stream.read(), OCI_MANIFEST)
    assert set(manifest.annotations) == {"a", INLINE}
    assert made.config_blob.descriptor == plain.config_blob.descriptor
    found = cache(tmp_path).look_up([KEY, NOTED])
    assert (bool(found[KEY].layer), found[NOTED].note) == (True, NOTE.note)


def test_an_image_without_records_and_a_name_that_is_not_there_are_empty(tmp_path: Path) -> None:
    copy(image(), to=LayoutStore(tmp_path), names=["list"])
    assert cache(tmp_path).look_up([KEY]) == {}
    assert cache(tmp_path, "nothing").look_up([KEY]) == {}


def test_an_index_for_other_platforms_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    descriptors = tuple(replace(image().manifest.descriptor, platform=platform) for platform in (ARM64, ARM64))
    index = Blob.of(Index(media_type=OCI_INDEX, manifests=descriptors).to_bytes(), OCI_INDEX)
    copy(Bundle(manifest=index, blobs=()), to=LayoutStore(tmp_path), names=["list"])
    assert cache(tmp_path).look_up([KEY]) == {}
    assert "nothing for platform linux/amd64" in caplog.text


def test_a_chain_asks_in_order_for_what_is_missing_and_prefers_what_is_whole(tmp_path: Path) -> None:
    write_list([LAYER.bare, NOTE], to=LayoutStore(tmp_path / "bare"), name="list")
    write_list([LAYER], to=LayoutStore(tmp_path / "whole"), name="list")
    chain = Chain([cache(tmp_path / "nowhere"), cache(tmp_path / "bare"), cache(tmp_path / "whole")])
    found = chain.look_up([KEY, NOTED, PLACE])
    assert (bool(found[KEY].layer), found[NOTED].note, len(found)) == (True, NOTE.note, 2)
    assert Chain([]).look_up([KEY]) == {}


def test_a_tag_cache_keeps_what_a_chain_saves(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    with TagCache(store, platform=AMD64, ttl=timedelta(days=1), saves=True, now=lambda: NOW) as tags:
        Chain([cache(tmp_path), tags]).save(LAYER)
    assert set(store.names()) == {KEY.hex, f"last-{PLACE.hex}"}
    again = TagCache(store, platform=AMD64, ttl=timedelta(days=1), saves=False, now=lambda: NOW)
    assert (again.look_up([KEY])[KEY].text, again.last([PLACE])[PLACE].key) == ("RUN x", KEY)


@pytest.mark.parametrize("broken", ["index.json malformed", "index.json a directory", "no place to write"])
def test_a_layout_out_of_order_is_told_once_and_fails_nothing(
    broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache"
    if broken == "no place to write":
        path.write_text("a file")
    else:
        path.mkdir()
        index = path / "index.json"
        if broken.endswith("directory"):
            index.mkdir()
        else:
            index.write_text("{")
    with TagCache(LayoutStore(path), platform=AMD64, ttl=timedelta(days=1), saves=True, now=lambda: NOW) as tags:
        assert (tags.look_up([KEY]), tags.last([PLACE])) == ({}, {})
        tags.save(LAYER)
    assert cache(path).look_up([KEY]) == {}
    assert [record.levelname for record in caplog.records].count("WARNING") == 2, "one for each cache"


def test_a_directory_has_a_layer_when_the_next_command_begins(tmp_path: Path) -> None:
    """In takeover it would be the stage's directory that a thread wrote into, and part of its layer."""
    opened = partial(TagCache, LayoutStore(tmp_path), platform=AMD64, ttl=timedelta(days=14), saves=True, now=lambda: NOW)
    with opened() as tags:
        tags.save(LAYER)
        found = opened().look_up([KEY])
    assert found[KEY].text == "RUN x"
