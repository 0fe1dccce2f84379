from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.image.blob import Blob
from builder.image.media import OCI_LAYER
from builder.store.archive import read_archive
from builder.store.copy import copy, load_all
from builder.store.layout import LayoutStore
from builder.store.oci_archive import OciArchiveStore
from tests.support.samples import ARM64, sample_image, sample_index

NAME = "docker.io/library/app:1"


def document(path: Path, name: str) -> object:
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return json.load(file)


def test_an_index_comes_back_whole(tmp_path: Path) -> None:
    images, store = [sample_image("shared", "a"), sample_image("shared", "b", platform=ARM64)], LayoutStore(tmp_path / "layout")
    for image in images:
        copy(image, to=store, names=[])
    store.tag(NAME, sample_index(images))
    with OciArchiveStore(tmp_path / "x.tar") as archive:
        copy(load_all(store, NAME), to=archive, names=[NAME])
    found = load_all(read_archive(tmp_path / "x.tar"), NAME)
    assert found.manifest.descriptor.digest == store.resolve(NAME).digest
    assert len(found.documents) == 2
    assert document(tmp_path / "x.tar", "manifest.json") == []


def test_a_docker_without_containerds_store_can_load_it(tmp_path: Path) -> None:
    image = sample_image("a", "b")
    with OciArchiveStore(tmp_path / "x.tar") as archive:
        copy(image, to=archive, names=[NAME, "reg.example/x:2"])
    layers = [f"blobs/sha256/{layer.blob.descriptor.digest.hex}" for layer in image.layers]
    config = f"blobs/sha256/{image.config_blob.descriptor.digest.hex}"
    assert document(tmp_path / "x.tar", "manifest.json") == [
        {"Config": config, "RepoTags": ["app:1", "reg.example/x:2"], "Layers": layers}
    ]


def test_the_same_images_make_the_same_archive(tmp_path: Path) -> None:
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        with OciArchiveStore(Path("standard output"), stream) as archive:
            copy(sample_image("a", "b", "c"), to=archive, names=[NAME], jobs=1)
    assert streams[0].getvalue() == streams[1].getvalue() != b""


def test_a_pipe_or_device_is_written_to_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        with OciArchiveStore(tmp_path / "pipe") as archive:
            copy(sample_image("a"), to=archive, names=[NAME])
        (tmp_path / "x.tar").write_bytes(reader.communicate(timeout=60)[0])
    assert (tmp_path / "pipe").is_fifo()
    assert load_all(read_archive(tmp_path / "x.tar"), NAME).manifest.descriptor == sample_image("a").manifest.descriptor
    with pytest.raises(OSError, match="No space left"), OciArchiveStore(Path("/dev/full")) as archive:
        copy(sample_image("a"), to=archive, names=[NAME])
    assert Path("/dev/full").is_char_device()


def test_a_link_stays_and_leads_to_the_archive(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/x.tar")
    with OciArchiveStore(tmp_path / "link") as archive:
        copy(sample_image("a"), to=archive, names=[NAME])
    assert (tmp_path / "link").is_symlink()
    assert read_archive(tmp_path / "there/x.tar").images


def test_a_directory_is_no_place_for_an_archive(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Is a directory"), OciArchiveStore(tmp_path):
        pass


def write_half(path: Path) -> None:
    with OciArchiveStore(path) as archive:
        copy(sample_image("a"), to=archive, names=[NAME])
        raise StoreError("disk full")


def test_an_error_leaves_no_archive(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="disk"):
        write_half(tmp_path / "x.tar")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with open("/dev/full", "wb", buffering=0) as full:
        with pytest.raises(OSError, match="No space left"), OciArchiveStore(Path("standard output"), full) as archive:
            archive.put(Blob.of(bytes(100_000), OCI_LAYER))  # more than is held back until the end
        del archive
        gc.collect()
    assert not told
