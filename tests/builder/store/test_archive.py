from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from builder.errors import ImageError, StoreError
from builder.image.image import Image
from builder.image.media import OCI_LAYER_ZSTD, Format
from builder.store.archive import read_archive
from builder.store.copy import copy, load
from builder.store.layout import LayoutStore
from builder.store.tarball import TarballStore
from tests.support.samples import AMD64, sample_image, sample_index


def write(path: Path, image: Image, *names: str) -> Path:
    with TarballStore(path) as archive:
        copy(image, to=archive, names=names)
    return path


def tar(path: Path, files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> Path:
    with tarfile.open(path, "w") as out:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            out.addfile(member)
    return path


def unpacked(image: Image) -> list[bytes]:
    datas = [layer.blob.open().read() for layer in image.layers]
    return [gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data for data in datas]


def test_names_inside_are_kanikos(tmp_path: Path) -> None:
    image = sample_image("a")
    path = write(tmp_path / "out.tar", image, "docker.io/library/app:1", "reg.example/app:2")
    config, layer = str(image.config_blob.descriptor.digest), f"{image.layers[0].blob.descriptor.digest.hex}.tar.gz"
    with tarfile.open(path) as archive:
        assert sorted(archive.getnames()) == sorted([config, layer, "manifest.json"])
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest) == [{"Config": config, "RepoTags": ["app:1", "reg.example/app:2"], "Layers": [layer]}]


@pytest.mark.parametrize("kind", list(Format))
def test_an_image_comes_back_with_the_same_config_and_layers(tmp_path: Path, kind: Format) -> None:
    image = sample_image("a", "b", "a", format=kind)
    found = load(read_archive(write(tmp_path / "out.tar", image, "app:1")), "app:1", AMD64)
    assert found.config_blob.open().read() == image.config_blob.open().read()
    assert unpacked(found) == unpacked(image)


def test_an_error_leaves_no_archive(tmp_path: Path) -> None:
    image = sample_image("a")
    (tmp_path / "out.tar").write_bytes(b"old")
    damaged = replace(image, config_blob=replace(image.config_blob, open=image.manifest.open))
    with pytest.raises(ImageError), TarballStore(tmp_path / "out.tar") as archive:
        copy(damaged, to=archive, names=["app:1"])
    assert [item.name for item in tmp_path.iterdir()] == ["out.tar"]
    assert (tmp_path / "out.tar").read_bytes() == b"old"


def test_an_archive_holds_one_platform(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="one platform only"), TarballStore(tmp_path / "out.tar") as archive:
        archive.put(sample_index([sample_image("a")]))


def test_a_place_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't write archive"), TarballStore(tmp_path / "missing" / "out.tar"):
        pass


def test_the_old_form_of_docker_is_read(tmp_path: Path) -> None:
    """`docker save` before 25: layers are not compressed, one that occurs twice is a link."""
    image = sample_image("a", "b", "a")
    layers = unpacked(image)
    config = image.config_blob.open().read()
    manifest = [{"Config": "abc.json", "RepoTags": ["app:1"], "Layers": ["1/layer.tar", "2/layer.tar", "3/layer.tar"]}]
    files = {
        "abc.json": config,
        "1/layer.tar": layers[0],
        "2/layer.tar": layers[1],
        "manifest.json": json.dumps(manifest).encode(),
    }
    path = tar(tmp_path / "old.tar", files, {"3/layer.tar": "../1/layer.tar"})
    found = load(read_archive(path), "", AMD64)
    assert unpacked(found) == layers
    copy(found, to=LayoutStore(tmp_path / "layout"), names=["1"])


def test_zstd_layers_make_an_oci_image(tmp_path: Path) -> None:
    """Docker has no media type for them; masu writes such archives with --compression zstd."""
    image = sample_image("a", "b")
    packed = [zstandard.ZstdCompressor().compress(layer) for layer in unpacked(image)]
    names = ["1.tar.zst", "2.tar.zst"]
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["app:1"], "Layers": names}]).encode()
    files = {"c.json": image.config_blob.open().read(), "manifest.json": manifest, **dict(zip(names, packed, strict=True))}
    found = load(read_archive(tar(tmp_path / "x.tar", files)), "app:1", AMD64)
    assert found.format is Format.OCI
    assert [layer.blob.open().read() for layer in found.layers] == packed
    assert {layer.blob.descriptor.media_type for layer in found.layers} == {OCI_LAYER_ZSTD}


def test_a_layout_in_a_tar_is_read(tmp_path: Path) -> None:
    image = sample_image("a", "b")
    copy(image, to=LayoutStore(tmp_path / "layout"), names=["reg.example/app:1"])
    with tarfile.open(tmp_path / "new.tar", "w") as archive:
        archive.add(tmp_path / "layout", ".")
    found = load(read_archive(tmp_path / "new.tar"), "reg.example/app:1", AMD64)
    assert found.manifest.descriptor.digest == image.manifest.descriptor.digest
    assert unpacked(found) == unpacked(image)


def test_an_unknown_name_is_an_error_with_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "out.tar", sample_image("a"), "app:1")
    with pytest.raises(StoreError, match="has no image 'app:2'") as error:
        read_archive(path).resolve("app:2")
    assert error.value.hint == "its names are: app:1"


def test_a_damaged_layer_is_found_out(tmp_path: Path) -> None:
    image = sample_image("a")
    layer = bytearray(unpacked(image)[0])
    layer[600] ^= 1
    manifest = json.dumps([{"Config": "c.json", "RepoTags": None, "Layers": ["l.tar"]}]).encode()
    files = {"c.json": image.config_blob.open().read(), "l.tar": bytes(layer), "manifest.json": manifest}
    found = load(read_archive(tar(tmp_path / "x.tar", files)), "", AMD64)
    with pytest.raises(ImageError, match="has the digest"):
        found.layers[0].blob.open().read()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme": b""}, "is not an image archive"),
        ({"manifest.json": b"x"}, "malformed archive"),
        ({"manifest.json": b"[{}]"}, "malformed archive"),
        ({"manifest.json": b"[" * 100_000}, "malformed archive"),
        ({"manifest.json": bytes((4 << 20) + 1)}, "malformed archive"),
        ({"manifest.json": b"[" + b"{}," * 1001 + b"{}]"}, "more than 1000 images"),
        ({"manifest.json": b'[{"Config": "../../etc/passwd", "Layers": []}]'}, "malformed archive"),
        ({"index.json": b"{}", "oci-layout": b""}, "malformed archive"),
        ({"index.json": b'{"manifests": []}', "oci-layout": b"", "blobs/sha256/x": b""}, "malformed archive"),
    ],
)
def test_other_archives_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        read_archive(tar(tmp_path / "x.tar", files))


def test_an_archive_with_too_many_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(tarfile.TarInfo("x").tobuf() * 50_001)
    with pytest.raises(StoreError, match="more than 50000 files"):
        read_archive(tmp_path / "x.tar")


def test_a_compressed_archive_is_refused_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(gzip.compress(tar(tmp_path / "x.tar", {"manifest.json": b"[]"}).read_bytes()))
    with pytest.raises(StoreError, match="can't read archive") as error:
        read_archive(tmp_path / "x.tar.gz")
    assert "gunzip" in error.value.hint
