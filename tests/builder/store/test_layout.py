from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from builder.errors import ImageError, StoreError
from builder.image.blob import Blob
from builder.image.media import OCI_LAYER_GZIP
from builder.store import Store
from builder.store.copy import copy, load
from builder.store.layout import LayoutStore
from tests.support.samples import AMD64, sample_image, sample_index, sample_layer


def files(path: Path) -> set[str]:
    return {str(item.relative_to(path)) for item in path.rglob("*") if item.is_file()}


def test_an_image_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    image = sample_image("a", "b")
    store: Store = LayoutStore(tmp_path / "new" / "layout")
    copy(image, to=store, names=["1", "docker.io/library/app:2"])
    for name in ("1", "app:2", "docker.io/library/app:2", str(image.manifest.descriptor.digest)):
        found = load(store, name, AMD64)
        assert found.manifest.open().read() == image.manifest.open().read()
        assert [layer.blob.open().read() for layer in found.layers] == [layer.blob.open().read() for layer in image.layers]


def test_a_layout_has_what_the_specification_says_and_no_more(tmp_path: Path) -> None:
    image = sample_image("a")
    copy(image, to=LayoutStore(tmp_path), names=["1"])
    blobs = [image.manifest, image.config_blob, image.layers[0].blob]
    assert files(tmp_path) == {
        "oci-layout",
        "index.json",
        *(f"blobs/sha256/{blob.descriptor.digest.hex}" for blob in blobs),
    }
    assert json.loads((tmp_path / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}


def test_a_name_moves_and_the_others_stay(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    first, second = sample_image("a"), sample_image("b")
    copy(first, to=store, names=["1", "2"])
    copy(second, to=store, names=["2"])
    assert {name: entry.digest for name, entry in store.names().items()} == {
        "1": first.manifest.descriptor.digest,
        "2": second.manifest.descriptor.digest,
    }


def test_a_full_reference_finds_the_tag_of_a_layout_that_is_one_repository(tmp_path: Path) -> None:
    image = sample_image("a")
    copy(image, to=LayoutStore(tmp_path), names=["v1"])
    assert LayoutStore(tmp_path).resolve("reg.example/app:v1").digest == image.manifest.descriptor.digest
    with pytest.raises(StoreError, match="has no image 'app'"):
        LayoutStore(tmp_path).resolve("app")


def test_without_a_name_the_only_image_is_meant(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    copy(sample_image("a"), to=store, names=["1"])
    assert store.resolve("") == store.resolve("1")
    copy(sample_image("b"), to=store, names=["2"])
    with pytest.raises(StoreError, match="2 images"):
        store.resolve("")


def test_an_unknown_name_is_an_error_with_the_known_ones(tmp_path: Path) -> None:
    copy(sample_image("a"), to=LayoutStore(tmp_path), names=["1", "2"])
    with pytest.raises(StoreError) as error:
        LayoutStore(tmp_path).resolve("3")
    assert error.value.hint == "its names are: 1, 2"


def test_an_index_with_its_images_can_be_stored(tmp_path: Path) -> None:
    store, image = LayoutStore(tmp_path), sample_image("a")
    copy(image, to=store, names=[])
    store.tag("multi", sample_index([image]))
    assert load(store, "multi", AMD64).manifest.descriptor.digest == image.manifest.descriptor.digest


def test_a_layer_file_is_linked_and_made_readable(tmp_path: Path) -> None:
    layer = sample_layer("linked")
    source = tmp_path / "layer"
    source.write_bytes(layer.blob.open().read())
    source.chmod(0o600)
    store = LayoutStore(tmp_path / "layout")
    store.put(replace(layer.blob, path=source))
    target = store.blob_path(layer.blob.descriptor.digest)
    assert target.stat().st_ino == source.stat().st_ino
    assert target.stat().st_mode & 0o777 == 0o644


def test_a_layer_file_of_the_wrong_size_is_not_linked(tmp_path: Path) -> None:
    layer = sample_layer("stale")
    (tmp_path / "layer").write_bytes(b"something else")
    store = LayoutStore(tmp_path / "layout")
    store.put(replace(layer.blob, path=tmp_path / "layer"))
    assert store.open(layer.blob.descriptor).read() == layer.blob.open().read()


class Breaking:
    """A stream that fails after its first read, or ends the process there."""

    def __init__(self, data: bytes, *, kill: bool) -> None:
        self._data = data
        self._kill = kill

    def read(self, size: int) -> bytes:
        if self._data:
            data, self._data = self._data, b""
            return data
        if self._kill:
            os._exit(9)
        raise OSError("broken")

    def close(self) -> None:
        pass


def breaking(blob: Blob, *, kill: bool = False) -> Blob:
    half = blob.open().read(blob.descriptor.size // 2)
    return replace(blob, open=lambda: cast(BinaryIO, Breaking(half, kill=kill)))


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    store, blob = LayoutStore(tmp_path), sample_layer("half").blob
    with pytest.raises(OSError, match="broken"):
        store.put(breaking(blob))
    assert files(tmp_path) == {"oci-layout", "index.json"}


def test_a_killed_writer_leaves_no_half_blob(tmp_path: Path) -> None:
    store, blob = LayoutStore(tmp_path), sample_layer("killed").blob
    process = multiprocessing.get_context("fork").Process(target=store.put, args=(breaking(blob, kill=True),))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert not store.has(blob.descriptor)
    store.put(blob)
    assert store.open(blob.descriptor).read() == blob.open().read()


def test_a_wrong_blob_is_not_stored(tmp_path: Path) -> None:
    store, blob = LayoutStore(tmp_path), sample_layer("wrong").blob
    with pytest.raises(ImageError, match="has the digest"):
        store.put(replace(blob, open=lambda: Blob.of(bytes(blob.descriptor.size), OCI_LAYER_GZIP).open()))
    assert not store.has(blob.descriptor)


@pytest.mark.parametrize("damage", [b"", b"x"])
def test_a_damaged_blob_is_found_out(tmp_path: Path, damage: bytes) -> None:
    store, blob = LayoutStore(tmp_path), sample_layer("damaged").blob
    store.put(blob)
    path = store.blob_path(blob.descriptor.digest)
    path.write_bytes(path.read_bytes()[:-1] + damage)
    with pytest.raises(ImageError, match=str(blob.descriptor.digest)):
        store.open(blob.descriptor).read()


def test_a_truncated_blob_is_written_again(tmp_path: Path) -> None:
    store, blob = LayoutStore(tmp_path / "layout"), sample_layer("again").blob
    store.put(blob)
    store.blob_path(blob.descriptor.digest).write_bytes(b"")
    (tmp_path / "layer").write_bytes(blob.open().read())
    store.put(replace(blob, path=tmp_path / "layer"))
    assert store.open(blob.descriptor).read() == blob.open().read()


def test_a_missing_blob_is_an_error_that_names_it(tmp_path: Path) -> None:
    blob = sample_layer("missing").blob
    with pytest.raises(StoreError, match=f"has no blob {blob.descriptor.digest}"):
        LayoutStore(tmp_path).open(blob.descriptor)


@pytest.mark.parametrize(
    "text", ["nonsense", "[]", "{}", "[" * 100_000, '{"manifests": [1]}', '{"manifests": [{"digest": "../../etc/passwd"}]}']
)
def test_a_malformed_index_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(StoreError, match=r"can't read '.*/index\.json'"):
        LayoutStore(tmp_path).resolve("1")


def write_names(path: Path, prefix: str) -> None:
    for number in range(20):
        copy(sample_image("shared", prefix), to=LayoutStore(path), names=[f"{prefix}{number}"])


def test_writers_in_several_processes_lose_no_name(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=write_names, args=(tmp_path, prefix)) for prefix in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(LayoutStore(tmp_path).names()) == {f"{prefix}{number}" for prefix in "abcd" for number in range(20)}
