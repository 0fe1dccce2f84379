"""What somebody else may have put under the tag of a cache mount."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from builder.image.blob import Blob
from builder.image.manifest import Manifest
from builder.image.media import OCI_LAYER_ZSTD, OCI_MANIFEST, MediaType
from builder.saved_mounts.content import INDEX
from builder.store.layout import LayoutStore
from tests.builder.saved_mounts.machines import Machine, nothing
from tests.support.tree import make_tar, member

LINK = member("out", type=tarfile.SYMTYPE, linkname="/")


def index(tars: list[bytes], **fields: Any) -> bytes:
    """Of packs with these archives, the last of which has the directories; all is in order but for `fields`."""
    layers = [[f"sha256:{hashlib.sha256(tar).hexdigest()}", 0] for tar in tars]
    return json.dumps({"schema": 1, "layers": layers, "paths": [], "packs": [], "used": [], "dead": [], **fields}).encode()


def compressed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


def plant(layout: Path, config: bytes, packs: list[bytes], *, media_type: MediaType = INDEX) -> None:
    """Put a manifest with this config and these layers under the only tag of the layout."""
    store = LayoutStore(layout)
    blobs = [Blob.of(compressed(tar), OCI_LAYER_ZSTD) for tar in packs]
    blob = Blob.of(config, media_type)
    for item in (*blobs, blob):
        store.put(item)
    layers = tuple(item.descriptor for item in blobs)
    manifest = Manifest(media_type=OCI_MANIFEST, config=blob.descriptor, layers=layers)
    (name,) = store.names()
    store.tag(name, Blob.of(manifest.to_bytes(), OCI_MANIFEST))


GOOD = [make_tar((member("file"), b"good"))]


def bomb() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member("zeros", size=100 << 20), io.BytesIO(bytes(100 << 20)))
    return buffer.getvalue()


CASES: dict[str, Callable[[], tuple[bytes, list[bytes]]]] = {
    "not compressed": lambda: (index(GOOD), GOOD),
    "not JSON": lambda: (compressed(b"{"), GOOD),
    "a list": lambda: (compressed(b"[]"), GOOD),
    "nested deeply": lambda: (compressed(b"[" * 100_000), GOOD),
    "an index that explodes": lambda: (compressed(bytes(64 << 20)), GOOD),
    "another schema": lambda: (compressed(index(GOOD, schema=2)), GOOD),
    "more layers than told": lambda: (compressed(index(GOOD)), GOOD * 2),
    "no layers": lambda: (compressed(index([])), []),
    "a file in no pack": lambda: (compressed(index(GOOD, paths=["file"], packs=[7], used=[0])), GOOD),
    "a path that is none": lambda: (compressed(index(GOOD * 2, paths=[7], packs=[0], used=[0])), GOOD * 2),
    "a time that is none": lambda: (compressed(index(GOOD * 2, paths=["file"], packs=[0], used=["1"])), GOOD * 2),
    "fewer packs than paths": lambda: (compressed(index(GOOD * 2, paths=["file"], used=[0])), GOOD * 2),
    "a pack before the first": lambda: (compressed(index(GOOD * 2, paths=["file"], packs=[-1], used=[0])), GOOD * 2),
    "another diff_id": lambda: (compressed(index([b"other"])), GOOD),
    "a pack that is no archive": lambda: (compressed(index([b"x" * 700])), [b"x" * 700]),
    "a name above the root": lambda: one(make_tar((member("../escaped"), b"x"))),
    "a hard link above the root": lambda: one(make_tar(member("h", type=tarfile.LNKTYPE, linkname="../../../outside"))),
    "a pack that explodes": lambda: one(bomb()),
}


def one(tar: bytes) -> tuple[bytes, list[bytes]]:
    return compressed(index([tar])), [tar]


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_saved_mount_is_not_restored_and_then_replaced(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    layout = tmp_path / "layout"
    Machine(root=tmp_path / "a", layout=layout).build(nothing)
    plant(layout, *CASES[name]())
    here = Machine(root=tmp_path / "b", layout=layout, limit=8 << 20)
    found = here.build(lambda directory: (directory / "new").touch())
    assert [path.name for path in found.iterdir()] == ["new"]
    assert "can't restore the cache mount 'id', which begins anew" in caplog.text
    again = Machine(root=tmp_path / "c", layout=layout).build(nothing)
    assert [path.name for path in again.iterdir()] == ["new"]
    assert not list(tmp_path.rglob("escaped"))


def test_links_of_a_pack_lead_nowhere_outside(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    Machine(root=tmp_path / "a", layout=layout).build(nothing)
    tar = make_tar(LINK, (member(f"out{tmp_path}/escaped"), b"x"))
    plant(layout, *one(tar))
    found = Machine(root=tmp_path / "b", layout=layout).build(nothing)
    assert (found / str(tmp_path).lstrip("/") / "escaped").read_bytes() == b"x"
    assert not (tmp_path / "escaped").exists()


def test_an_ordinary_image_is_no_saved_mount(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    layout = tmp_path / "layout"
    Machine(root=tmp_path / "a", layout=layout).build(nothing)
    plant(layout, b"{}", GOOD, media_type=MediaType("application/vnd.oci.image.config.v1+json"))
    Machine(root=tmp_path / "b", layout=layout).build(nothing)
    assert "is no saved cache mount" in caplog.text
