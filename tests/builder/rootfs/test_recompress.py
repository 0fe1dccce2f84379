"""The same files in another blob; eStargz is read back as its specification says, by offsets alone."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from builder.errors import RootfsError
from builder.image.digest import Digest
from builder.image.encoding import TOC_DIGEST
from builder.image.layer import Layer
from builder.image.media import DOCKER_LAYER_GZIP, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, MediaType
from builder.rootfs.plain import PlainRootfs
from builder.rootfs.recompress import as_estargz, recompressed
from builder.rootfs.tree import Changes
from tests.support.tree import make_tree, tree_dump

BIG = os.urandom(3 << 20) + bytes(200_000)


def layer_of(rootfs: PlainRootfs, blobs: Path, media_type: MediaType = OCI_LAYER_GZIP) -> Layer:
    make_tree(rootfs.path, {"dir/small": "hello", "dir/empty": "", "big": BIG.decode("latin-1"), "größe": "x"})
    (rootfs.path / "big").write_bytes(BIG)
    (rootfs.path / "link").symlink_to("dir/small")
    os.link(rootfs.path / "big", rootfs.path / "hard")
    written = ("big", "dir", "dir/empty", "dir/small", "größe", "hard", "link")
    return rootfs.pack(Changes(written=written, deleted=("gone",)), to=blobs, media_type=media_type)


def stored(layer: Layer) -> bytes:
    with layer.blob.open() as stream:
        return stream.read()


@pytest.mark.parametrize("media_type", [OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, DOCKER_LAYER_GZIP])
def test_a_layer_keeps_its_diff_id_whatever_its_compression(rootfs: PlainRootfs, blobs: Path, media_type: MediaType) -> None:
    layer = layer_of(rootfs, blobs, OCI_LAYER_ZSTD)
    other = recompressed(layer, to=blobs, media_type=media_type)
    assert (other.diff_id, other.blob.descriptor.media_type) == (layer.diff_id, media_type)
    again = recompressed(other, to=blobs, media_type=OCI_LAYER)
    assert Digest.of(stored(again)) == layer.diff_id


def test_levels_make_smaller_blobs(rootfs: PlainRootfs, blobs: Path) -> None:
    layer = layer_of(rootfs, blobs)
    sizes = [recompressed(layer, to=blobs, media_type=OCI_LAYER_GZIP, level=level).blob.descriptor.size for level in (0, 1, 9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > len(BIG)


def test_a_layer_that_is_not_what_it_says_is_refused(rootfs: PlainRootfs, blobs: Path) -> None:
    layer = Layer(blob=layer_of(rootfs, blobs).blob, diff_id=Digest.of(b"another"))
    for convert in (recompressed, as_estargz):
        with pytest.raises(RootfsError, match="layer has the diff_id"):
            convert(layer, to=blobs, media_type=OCI_LAYER_GZIP)


def table_of(blob: bytes) -> dict[str, Any]:
    """By the footer, as a lazy reader finds it."""
    footer = blob[-51:]
    assert gzip.decompress(footer) == b""
    assert (footer[10:16], footer[32:38]) == (b"\x1a\0SG\x16\0", b"STARGZ")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob[int(footer[16:32], 16) :]))) as archive:
        file = archive.extractfile("stargz.index.json")
        assert file is not None
        table: dict[str, Any] = json.load(file)
    return table


def member_at(blob: bytes, offset: int) -> bytes:
    return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(blob[offset:])


def test_every_piece_of_a_file_is_found_by_its_offset(rootfs: PlainRootfs, blobs: Path) -> None:
    blob = stored(as_estargz(layer_of(rootfs, blobs), to=blobs, media_type=OCI_LAYER_GZIP))
    entries = table_of(blob)["entries"]
    pieces = [entry for entry in entries if entry["name"] == "big"]
    assert [entry["type"] for entry in pieces] == ["reg", "chunk", "chunk", "chunk"]
    content = b""
    for entry in pieces:
        size = entry.get("chunkSize") or len(BIG) - entry.get("chunkOffset", 0)
        piece = member_at(blob, entry["offset"])[:size]
        assert entry["chunkDigest"] == f"sha256:{hashlib.sha256(piece).hexdigest()}"
        assert entry.get("chunkOffset", 0) == len(content)
        content += piece
    assert content == BIG
    assert pieces[0]["digest"] == f"sha256:{hashlib.sha256(BIG).hexdigest()}"


def test_the_table_tells_everything_about_every_entry(rootfs: PlainRootfs, blobs: Path) -> None:
    table = table_of(stored(as_estargz(layer_of(rootfs, blobs), to=blobs, media_type=OCI_LAYER_GZIP)))
    assert table["version"] == 1
    kinds = {entry["name"]: entry["type"] for entry in table["entries"] if entry["type"] != "chunk"}
    assert kinds == {
        ".no.prefetch.landmark": "reg", ".wh.gone": "reg", "big": "reg", "dir/": "dir", "dir/empty": "reg", "dir/small": "reg",
        "größe": "reg", "hard": "hardlink", "link": "symlink",
    }  # fmt: skip
    entries = {entry["name"]: entry for entry in table["entries"] if entry["type"] != "chunk"}
    assert (entries["hard"]["linkName"], entries["link"]["linkName"]) == ("big", "dir/small")
    assert entries["dir/small"]["size"] == 5
    assert "chunkSize" not in entries["dir/small"]
    assert entries["dir/"]["mode"] == 0o755


def test_extended_attributes_are_in_the_table(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"file": "x"})
    os.setxattr(rootfs.path / "file", "user.color", b"\xffred")
    layer = rootfs.pack(Changes(written=("file",)), to=blobs, media_type=OCI_LAYER)
    table = table_of(stored(as_estargz(layer, to=blobs, media_type=OCI_LAYER_GZIP)))
    assert table["entries"][-1]["xattrs"] == {"user.color": base64.b64encode(b"\xffred").decode()}


def test_an_estargz_layer_is_a_layer_like_any_other(rootfs: PlainRootfs, blobs: Path, tmp_path: Path) -> None:
    layer = layer_of(rootfs, blobs)
    lazy = as_estargz(layer, to=blobs, media_type=OCI_LAYER_GZIP)
    plain = gzip.decompress(stored(lazy))
    assert Digest.of(plain) == lazy.diff_id
    assert lazy.blob.descriptor.annotations["io.containers.estargz.uncompressed-size"] == str(len(plain))
    trees = []
    for number, one in enumerate((layer, lazy)):
        other = PlainRootfs(tmp_path / f"unpacked-{number}")
        with one.blob.open() as stream:
            other.unpack(stream, diff_id=one.diff_id)
        trees.append(tree_dump(other.path))
    added = {path: trees[1].pop(path) for path in trees[1].keys() - trees[0].keys()}
    assert set(added) == {"/.no.prefetch.landmark", "/stargz.index.json"}
    assert trees[0] == trees[1]
    index = (tmp_path / "unpacked-1/stargz.index.json").read_bytes()
    assert lazy.blob.descriptor.annotations[TOC_DIGEST] == str(Digest.of(index))


def test_making_it_again_gives_the_same_bytes(rootfs: PlainRootfs, blobs: Path) -> None:
    first = as_estargz(layer_of(rootfs, blobs), to=blobs, media_type=OCI_LAYER_GZIP)
    again = as_estargz(first, to=blobs, media_type=OCI_LAYER_GZIP)
    assert again.blob.descriptor == first.blob.descriptor


def test_gzip_itself_reads_it(rootfs: PlainRootfs, blobs: Path) -> None:
    blob = stored(as_estargz(layer_of(rootfs, blobs), to=blobs, media_type=OCI_LAYER_GZIP))
    listed = subprocess.run(["tar", "-tzf", "-"], input=blob, capture_output=True, check=True).stdout.decode("unicode_escape")
    assert listed.splitlines()[0] == ".no.prefetch.landmark"
    assert listed.splitlines()[-1] == "stargz.index.json"
