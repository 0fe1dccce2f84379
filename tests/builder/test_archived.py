from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from builder.archived import images_of, open_archive, receive_archive
from builder.errors import BuilderError, StoreError
from builder.image.blob import Blob
from builder.image.config import History
from builder.image.layer import Layer
from builder.image.media import DOCKER_LAYER_GZIP, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP
from builder.store.copy import copy, load
from builder.store.layout import LayoutStore
from tests.support.samples import AMD64, sample_image, sample_layer


def saved_by_docker(path: Path, *, damage: bool = False, names: tuple[str, ...] = ("app:1", "reg.example/app:2")) -> Path:
    """As before version 25, whose layers are not compressed."""
    image = sample_image("a", "b")
    layers = [gzip.decompress(layer.blob.open().read()) for layer in image.layers]
    if damage:
        layers[0] = layers[0][:600] + b"x" + layers[0][601:]
    files = {"c.json": image.config_blob.open().read(), "0/layer.tar": layers[0], "1/layer.tar": layers[1]}
    manifest = [{"Config": "c.json", "RepoTags": list(names), "Layers": ["0/layer.tar", "1/layer.tar"]}]
    with tarfile.open(path, "w") as out:
        for name, data in {**files, "manifest.json": json.dumps(manifest).encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    return path


def test_layers_that_docker_left_uncompressed_are_compressed_and_the_config_stays(tmp_path: Path) -> None:
    archive = open_archive(saved_by_docker(tmp_path / "x.tar"), tmp_path)
    ((names, bundle),) = images_of(archive, tmp_path)
    assert [name.familiar for name in names] == ["app:1", "reg.example/app:2"]
    store = LayoutStore(tmp_path / "store")
    copy(bundle, to=store, names=["1"])
    found, image = load(store, "1", AMD64), sample_image("a", "b")
    assert {layer.blob.descriptor.media_type for layer in found.layers} == {DOCKER_LAYER_GZIP}
    assert found.config_blob.descriptor.digest == image.config_blob.descriptor.digest
    for ours, theirs in zip(found.layers, image.layers, strict=True):
        assert gzip.decompress(ours.blob.open().read()) == gzip.decompress(theirs.blob.open().read())


@pytest.mark.parametrize(("extra", "kept"), [({"repositories": b"{}"}, False), ({}, True)], ids=["docker 25", "others"])
def test_a_layout_keeps_its_layers_unless_docker_has_made_it_up(tmp_path: Path, extra: dict[str, bytes], kept: bool) -> None:
    layer = sample_layer("a")
    plain = Layer(blob=Blob.of(gzip.decompress(layer.blob.open().read()), OCI_LAYER), diff_id=layer.diff_id)
    image = sample_image().append(plain, History())
    copy(image, to=LayoutStore(tmp_path / "layout"), names=["reg.example/app:1"])
    for name, data in extra.items():
        (tmp_path / "layout" / name).write_bytes(data)
    with tarfile.open(tmp_path / "x.tar", "w") as out:
        out.add(tmp_path / "layout", ".")
    ((_, bundle),) = images_of(open_archive(tmp_path / "x.tar", tmp_path), tmp_path)
    assert (bundle.manifest.descriptor.digest == image.manifest.descriptor.digest) is kept
    types = {blob.descriptor.media_type for blob in bundle.blobs}
    assert types == {OCI_CONFIG, OCI_LAYER if kept else OCI_LAYER_GZIP}


def test_a_damaged_layer_is_found_out(tmp_path: Path) -> None:
    archive = open_archive(saved_by_docker(tmp_path / "x.tar", damage=True), tmp_path)
    with pytest.raises(BuilderError, match="sha256"):
        list(images_of(archive, tmp_path))


def test_a_name_that_is_only_a_tag_is_no_name(tmp_path: Path) -> None:
    copy(sample_image("a"), to=LayoutStore(tmp_path / "layout"), names=["v1"])
    with tarfile.open(tmp_path / "x.tar", "w") as out:
        out.add(tmp_path / "layout", ".")
    ((names, bundle),) = images_of(open_archive(tmp_path / "x.tar", tmp_path), tmp_path)
    assert names == ()
    assert bundle.manifest.descriptor.digest == sample_image("a").manifest.descriptor.digest


@pytest.mark.parametrize("cut", [50, -20])
def test_a_stream_that_breaks_off_is_named(tmp_path: Path, cut: int) -> None:
    data = gzip.compress(saved_by_docker(tmp_path / "x.tar").read_bytes())[:cut]
    with pytest.raises(StoreError, match="archive 'standard input'"):
        receive_archive(io.BytesIO(data), tmp_path, name="standard input")


@pytest.mark.parametrize("data", [b"", b"nonsense", bytes(10240), gzip.compress(b"nonsense", mtime=0)])
def test_what_is_no_archive_is_refused_by_its_own_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "given").write_bytes(data)
    with pytest.raises(StoreError, match="given"):
        open_archive(tmp_path / "given", tmp_path)
