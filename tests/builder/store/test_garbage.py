from __future__ import annotations

import multiprocessing
import os
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import BinaryIO

import pytest

from builder.errors import StoreError
from builder.image.digest import Digest
from builder.image.image import Image
from builder.store.copy import copy, load
from builder.store.garbage import abandoned, blobs, delete, forget, unreferenced
from builder.store.layout import LayoutStore, opened
from tests.support.samples import AMD64, sample_image, sample_index, sample_layer
from tests.support.tree import open_below


def digests(*images: Image) -> set[Digest]:
    """Of all that the images have."""
    return {
        blob.descriptor.digest
        for image in images
        for blob in (image.manifest, image.config_blob, *(layer.blob for layer in image.layers))
    }


def stored(store: LayoutStore) -> set[Digest]:
    return {digest for digest, _ in blobs(store)}


def found(store: LayoutStore) -> set[Digest]:
    return {item.digest for item in unreferenced(store)}


def test_what_a_name_leads_to_is_no_garbage(tmp_path: Path) -> None:
    store, image = LayoutStore(tmp_path), sample_image("a", "b")
    copy(image, to=store, names=[])
    assert found(store) == digests(image)
    store.tag("1", image.manifest)
    assert found(store) == set()


def test_an_index_keeps_its_images(tmp_path: Path) -> None:
    store, image = LayoutStore(tmp_path), sample_image("a")
    copy(image, to=store, names=[])
    store.tag("multi", sample_index([image]))
    assert found(store) == set()


def test_forgetting_a_name_frees_what_no_other_image_has(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    gone, stays, older = sample_image("shared", "gone"), sample_image("shared"), sample_image("older")
    copy(gone, to=store, names=["gone"])
    copy(stays, to=store, names=["stays"])
    copy(older, to=store, names=[])
    freed = forget(store, ["gone"])
    assert stored(store) == digests(stays, older)
    assert freed == sum(item.size for item in (gone.manifest.descriptor, gone.config_blob.descriptor)) + (
        gone.layers[1].blob.descriptor.size
    )


def test_an_image_with_another_name_stays(tmp_path: Path) -> None:
    store, image = LayoutStore(tmp_path), sample_image("a")
    copy(image, to=store, names=["1", "2"])
    assert forget(store, ["1"]) == 0
    assert set(store.names()) == {"2"}
    assert stored(store) == digests(image)


def test_what_a_process_has_found_or_stored_is_kept_until_it_lets_go(tmp_path: Path) -> None:
    plain, image, half = LayoutStore(tmp_path), sample_image("a", "b"), sample_layer("half").blob
    copy(image, to=plain, names=["1"])
    with opened(tmp_path) as store:
        used = load(store, "1", AMD64)
        store.put(half)
        forget(plain, ["1"])
        assert delete(plain, stored(plain)) == 0
        assert [layer.blob.open().read() for layer in used.layers] == [layer.blob.open().read() for layer in image.layers]
    assert found(plain) == {*digests(image), half.descriptor.digest}
    delete(plain, found(plain))
    assert stored(plain) == set()


def test_a_blob_that_was_there_already_is_held_as_well(tmp_path: Path) -> None:
    plain, blob = LayoutStore(tmp_path), sample_layer("old").blob
    plain.put(blob)
    with opened(tmp_path) as store:
        assert store.has(blob.descriptor)
        assert found(plain) == set()
    assert found(plain) == {blob.descriptor.digest}


def test_a_blob_stored_by_two_is_held_until_both_let_go(tmp_path: Path) -> None:
    """The second writes while the first stores: its file must not take the place of the one that the first one holds."""
    blob = sample_layer("raced").blob
    with opened(tmp_path) as first, opened(tmp_path) as second:

        def overtaken() -> BinaryIO:
            first.put(blob)
            return blob.open()

        second.put(replace(blob, open=overtaken))
        second.holds.release([blob.descriptor.digest])  # type: ignore[union-attr]
        assert found(LayoutStore(tmp_path)) == set()


def test_only_what_was_asked_for_is_deleted_and_only_if_it_is_garbage(tmp_path: Path) -> None:
    store, named, one, other = LayoutStore(tmp_path), sample_image("a"), sample_layer("one").blob, sample_layer("other").blob
    copy(named, to=store, names=["1"])
    store.put(one)
    store.put(other)
    assert delete(store, {one.descriptor.digest, *digests(named)}) == one.descriptor.size
    assert stored(store) == {*digests(named), other.descriptor.digest}


def hold_and_die(path: Path, ready: Connection) -> None:
    with opened(path) as store:
        load(store, "1", AMD64)
        ready.send(True)
        ready.recv()
        os._exit(9)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    plain, image = LayoutStore(tmp_path), sample_image("a")
    copy(image, to=plain, names=["1"])
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=hold_and_die, args=(tmp_path, theirs))
    process.start()
    ours.recv()
    assert forget(plain, ["1"]) == 0
    ours.send(True)
    process.join()
    assert found(plain) == digests(image)


def test_half_written_files_of_the_living_are_left_alone(tmp_path: Path) -> None:
    store, blob = LayoutStore(tmp_path), sample_layer("slow").blob
    store.put(sample_layer("first").blob)
    (tmp_path / ".dead.part").write_bytes(b"half")

    def watched() -> BinaryIO:
        assert len(list(tmp_path.glob(".*.part"))) == 2
        assert abandoned(store) == [tmp_path / ".dead.part"]
        return blob.open()

    store.put(replace(blob, open=watched))
    assert store.has(blob.descriptor)


@pytest.mark.parametrize("text", ["{}", "[]", '{"layers": 1}', '{"layers": [{"digest": "../x"}]}', "[" * 100_000])
def test_malformed_documents_lead_nowhere(tmp_path: Path, text: str) -> None:
    store, image = LayoutStore(tmp_path), sample_image("a")
    copy(image, to=store, names=["1"])
    store.blob_path(image.manifest.descriptor.digest).write_text(text)
    assert found(store) == digests(image) - {image.manifest.descriptor.digest}


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't write to store '/sys/masu'"):
        LayoutStore(Path("/sys/masu")).put(sample_layer("a").blob)


def test_an_image_costs_one_descriptor(tmp_path: Path) -> None:
    images = [sample_image(*(f"{number}-{layer}" for layer in range(5))) for number in range(5)]
    with opened(tmp_path) as store:
        before = open_below(tmp_path)
        for image in images:
            copy(image, to=store, names=[])
        store.put(sample_index(images))
        assert len(open_below(tmp_path)) - len(before) == 1
        assert found(LayoutStore(tmp_path)) == set()
