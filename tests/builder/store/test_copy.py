from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from builder.errors import ImageError, StoreError
from builder.image.blob import Blob
from builder.image.media import OCI_MANIFEST, MediaType
from builder.image.platform import Platform
from builder.store.copy import copy, load, load_all
from builder.store.layout import LayoutStore, opened
from tests.support.samples import AMD64, ARM64, sample_image, sample_index


def test_a_layer_in_a_layout_has_a_path_and_opens_when_it_is_read(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        copy(sample_image("a"), to=store, names=["1"])
        layer = load(store, "1", AMD64).layers[0].blob
        assert layer.path == store.blob_path(layer.descriptor.digest)
        layer.path.unlink()
        with pytest.raises(StoreError, match="has no blob"):
            layer.open()


def test_a_wrong_layer_of_anothers_layout_gets_into_no_store(tmp_path: Path) -> None:
    theirs, image = LayoutStore(tmp_path / "theirs"), sample_image("a")
    copy(image, to=theirs, names=["1"])
    layer = image.layers[0].blob.descriptor
    theirs.blob_path(layer.digest).write_bytes(b"x" * layer.size)
    with opened(tmp_path / "ours") as ours:
        with pytest.raises(ImageError, match="has the digest"):
            copy(load(theirs, "1", AMD64), to=ours, names=["1"])
        assert not ours.has(layer)


def test_a_link_in_anothers_layout_opens_no_file_to_others(tmp_path: Path) -> None:
    theirs, image = LayoutStore(tmp_path / "theirs"), sample_image("a")
    copy(image, to=theirs, names=["1"])
    layer = image.layers[0].blob.descriptor
    private = tmp_path / "private"
    private.write_bytes(b"x" * layer.size)
    private.chmod(0o600)
    theirs.blob_path(layer.digest).unlink()
    theirs.blob_path(layer.digest).symlink_to(private)
    with pytest.raises(ImageError, match="has the digest"):
        copy(load_all(theirs, "1"), to=LayoutStore(tmp_path / "output"), names=["1"])
    assert private.stat().st_mode & 0o777 == 0o600


def test_an_image_for_another_platform_is_used_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    copy(sample_image("a", platform=ARM64), to=LayoutStore(tmp_path), names=["1"])
    assert load(LayoutStore(tmp_path), "1", AMD64).config.platform == ARM64
    assert caplog.messages == ["image '1' is for linux/arm64, not for linux/amd64"]
    caplog.clear()
    load(LayoutStore(tmp_path), "1", Platform(os="linux", architecture="arm64", variant="v8"))
    assert caplog.messages == []


def test_a_damaged_config_is_found_out(tmp_path: Path) -> None:
    store, image = LayoutStore(tmp_path), sample_image("a")
    copy(image, to=store, names=["1"])
    path = store.blob_path(image.config_blob.descriptor.digest)
    path.write_bytes(path.read_bytes().replace(b"amd64", b"arm64"))
    with pytest.raises(ImageError, match="has the digest"):
        load(store, "1", AMD64)


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"layers": 1}', b"\xff"])
def test_a_malformed_manifest_is_refused(tmp_path: Path, data: bytes) -> None:
    LayoutStore(tmp_path).tag("1", Blob.of(data, OCI_MANIFEST))
    with pytest.raises(ImageError, match="invalid"):
        load(LayoutStore(tmp_path), "1", AMD64)


def test_something_that_is_no_image_is_refused(tmp_path: Path) -> None:
    LayoutStore(tmp_path).tag("1", Blob.of(b"{}", MediaType("application/vnd.example+json")))
    with pytest.raises(ImageError, match="unknown type"):
        load(LayoutStore(tmp_path), "1", AMD64)


def test_an_index_of_indexes_has_a_limit(tmp_path: Path) -> None:
    store, index = LayoutStore(tmp_path), sample_index([sample_image("a")])
    for _ in range(3):
        store.put(index)
        data = index.open().read()
        name = str(index.descriptor.digest)
        inner = {"mediaType": index.descriptor.media_type, "digest": name, "size": len(data)}
        text = f'{{"schemaVersion": 2, "manifests": [{inner}]}}'.replace("'", '"')
        index = Blob.of(text.encode(), index.descriptor.media_type)
    store.tag("deep", index)
    with pytest.raises(ImageError, match="index of indexes"):
        load(store, "deep", AMD64)


class Slow:
    """A blob that goes on until another has failed."""

    def __init__(self, blob: Blob, failed: threading.Event) -> None:
        self._blob = blob
        self._failed = failed

    def open(self) -> BinaryIO:
        self._failed.wait(10)
        return self._blob.open()


def test_an_error_stops_the_other_blobs_and_no_name_is_set(tmp_path: Path) -> None:
    image, failed = sample_image("a", "b", "c", size=3 << 20), threading.Event()

    def fail() -> BinaryIO:
        failed.set()
        raise OSError("can't read it")

    opens = [Slow(image.layers[0].blob, failed).open, fail, image.layers[2].blob.open]
    layers = [replace(layer, blob=replace(layer.blob, open=opened)) for layer, opened in zip(image.layers, opens, strict=True)]
    with pytest.raises(OSError, match="can't read it"):
        copy(replace(image, layers=tuple(layers)), to=LayoutStore(tmp_path), names=["1"])
    assert LayoutStore(tmp_path).names() == {}


def test_an_index_is_copied_with_all_platforms_and_its_attestations(tmp_path: Path) -> None:
    ours, theirs = sample_image("shared", "a"), sample_image("shared", "b", platform=ARM64)
    source, target = LayoutStore(tmp_path / "source"), LayoutStore(tmp_path / "target")
    for image in (ours, theirs):
        copy(image, to=source, names=[])
    index = sample_index([ours, theirs])
    source.tag("multi", index)
    assert copy(load_all(source, "multi"), to=target, names=["1"]).digest == index.descriptor.digest
    for platform, image in ((AMD64, ours), (ARM64, theirs)):
        found = load(target, "1", platform)
        assert [layer.blob.open().read() for layer in found.layers] == [layer.blob.open().read() for layer in image.layers]


def test_a_bundle_knows_its_size_and_has_each_blob_once(tmp_path: Path) -> None:
    store, image = LayoutStore(tmp_path), sample_image("a", "a", "b")
    copy(image, to=store, names=["1"])
    bundle = load_all(store, "1")
    assert len(bundle.blobs) == 3
    assert bundle.size == sum(path.stat().st_size for path in (tmp_path / "blobs/sha256").iterdir())


def test_an_index_with_a_missing_image_is_refused(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path)
    store.tag("multi", sample_index([sample_image("a")]))
    with pytest.raises(StoreError, match="has no blob"):
        load_all(store, "multi")
