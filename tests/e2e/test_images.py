"""The comparison has to see every kind of difference, or the oracle's tests prove nothing."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.bases import Layout
from tests.support.images import BadImage, Entry, Image, differences, read_image

FILE = Entry(kind="file", mode=0o644, size=2, sha256="aa", mtime=5)
IMAGE = Image(
    files={
        "/a": replace(FILE, links=("/a", "/b")),
        "/b": replace(FILE, links=("/a", "/b")),
        "/c": Entry(kind="character device", mode=0o600, device=(1, 3)),
        "/d": Entry(kind="directory", mode=0o755),
        "/l": Entry(kind="symlink", mode=0o777, target="a"),
    },
    config={"architecture": "amd64", "config": {"Env": ["A=1"], "Labels": {"x": "1"}}},
    history=({"created_by": "RUN x"},),
    layers=(("/a", "/b", "/c", "/d", "/l"),),
)


def with_file(path: str, **changes: Any) -> Image:
    return replace(IMAGE, files={**IMAGE.files, path: replace(IMAGE.files[path], **changes)})


@pytest.mark.parametrize(
    ("other", "path", "field"),
    [
        (with_file("/a", mode=0o4644), "/a", "mode"),
        (with_file("/a", uid=1), "/a", "uid"),
        (with_file("/a", gid=1), "/a", "gid"),
        (with_file("/a", size=3), "/a", "size"),
        (with_file("/a", sha256="bb"), "/a", "sha256"),
        (with_file("/a", links=()), "/a", "links"),
        (with_file("/a", xattrs=(("user.x", "31"),)), "/a", "xattrs"),
        (with_file("/a", mtime=6), "/a", "mtime"),
        (with_file("/a", mtime=1_700_000_000), "/a", "mtime"),
        (with_file("/a", kind="fifo"), "/a", "kind"),
        (with_file("/c", device=(1, 5)), "/c", "device"),
        (with_file("/d", mode=0o700), "/d", "mode"),
        (with_file("/l", target="b"), "/l", "target"),
        (replace(IMAGE, files={**IMAGE.files, "/new": FILE}), "/new", "presence"),
        (replace(IMAGE, files={key: IMAGE.files[key] for key in ("/a", "/b", "/c", "/d")}), "/l", "presence"),
        (replace(IMAGE, config={**IMAGE.config, "os": "linux"}), "(config)", "os"),
        (replace(IMAGE, config={"config": IMAGE.config["config"]}), "(config)", "architecture"),
        (replace(IMAGE, config={**IMAGE.config, "config": {"Env": [], "Labels": {"x": "1"}}}), "(config)", "config.Env"),
        (replace(IMAGE, config={**IMAGE.config, "config": {"Env": ["A=1"], "Labels": {}}}), "(config)", "config.Labels.x"),
        (replace(IMAGE, history=({"created_by": "RUN y"},)), "(history 0)", "created_by"),
        (replace(IMAGE, history=({"created_by": "RUN x", "empty_layer": True},)), "(history 0)", "empty_layer"),
        (replace(IMAGE, history=({"created_by": "RUN x"}, {"created_by": "ENV"})), "(history 1)", "created_by"),
        (replace(IMAGE, layers=(*IMAGE.layers, ())), "(layers)", "number"),
        (replace(IMAGE, layers=(("/a", "/b", "/c", "/d"),)), "/l", "layer 0"),
    ],
)
def test_a_difference_is_found(other: Image, path: str, field: str) -> None:
    assert [(found.path, found.field) for found in differences(IMAGE, other)] == [(path, field)]


def test_equal_images_and_times_of_the_build_are_no_difference() -> None:
    early, late = (with_file("/a", mtime=1_700_000_000 + shift) for shift in (0, 5))
    assert differences(early, late) == []
    assert differences(IMAGE, with_file("/d", mtime=9)) == []


def test_an_image_survives_its_json() -> None:
    assert Image.from_json(json.loads(json.dumps(IMAGE.to_json()))) == IMAGE


# --- reading -----------------------------------------------------------------------------------------------------------------


def layer(*members: tuple[str, dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, fields in members:
            member = tarfile.TarInfo(name)
            data = fields.get("data", b"")
            member.size = len(data)
            for key in fields.keys() - {"data"}:
                setattr(member, key, fields[key])
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


DIRECTORY = {"type": tarfile.DIRTYPE, "mode": 0o755}


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Image]:
    def make(*layers: bytes, compression: str = "gzip") -> Image:
        layout = Layout(tmp_path / "layout")
        layout.index([layout.image(list(layers), {"config": {"Env": ["A=1"]}}, compression=compression)])
        return read_image(tmp_path / "layout")

    return make


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_layout_is_read_with_every_field(read: Callable[..., Image], compression: str) -> None:
    fields = {"mode": 0o4755, "uid": 7, "gid": 8, "data": b"hello", "mtime": 9, "pax_headers": {"SCHILY.xattr.user.x": "v"}}
    image = read(
        layer(("./f", fields), ("dev", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})), compression=compression
    )
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    xattrs = (("user.x", b"v".hex()),)
    assert image.files["/f"] == Entry(kind="file", mode=0o4755, uid=7, gid=8, size=5, sha256=digest, xattrs=xattrs, mtime=9)
    assert image.files["/dev"].device == (1, 3)
    assert image.config["config"] == {"Env": ["A=1"]}
    assert image.layers == (("/dev", "/f"),)


def test_whiteouts_delete_from_the_layers_below_only(read: Callable[..., Image]) -> None:
    below = layer(("d", DIRECTORY), ("d/x", {}), ("d/sub", DIRECTORY), ("d/sub/y", {}), ("e", DIRECTORY), ("e/z", {}), ("f", {}))
    above = layer(("d/new", {}), ("d/.wh..wh..opq", {}), (".wh.e", {}), (".wh.f", {}), ("f", {"data": b"again"}))
    image = read(below, above)
    assert list(image.files) == ["/d", "/d/new", "/f"]
    assert image.files["/f"].size == 5
    assert image.layers[1] == ("/d (emptied)", "/d/new", "/e (deleted)", "/f", "/f (deleted)")


def test_a_file_replaces_a_directory_and_a_directory_keeps_what_is_below(read: Callable[..., Image]) -> None:
    below = layer(("d", DIRECTORY), ("d/x", {}), ("e", DIRECTORY), ("e/x", {}))
    image = read(below, layer(("d", {}), ("e", {**DIRECTORY, "mode": 0o700})))
    assert list(image.files) == ["/d", "/e", "/e/x"]
    assert image.files["/e"].mode == 0o700


def test_hard_links_are_the_same_file_until_one_is_written_again(read: Callable[..., Image]) -> None:
    link = {"type": tarfile.LNKTYPE, "linkname": "a"}
    image = read(layer(("a", {"data": b"1"}), ("b", link), ("c", link)), layer(("a", {"data": b"2"})))
    assert image.files["/b"].links == ("/b", "/c")
    assert image.files["/a"].links == ()
    assert image.files["/b"].sha256 == image.files["/c"].sha256 != image.files["/a"].sha256


@pytest.mark.parametrize(
    "members",
    [
        [("a", {}), ("./a", {})],
        [("l", {"type": tarfile.SYMTYPE, "linkname": "d"}), ("l/x", {})],
        [("h", {"type": tarfile.LNKTYPE, "linkname": "nothing"})],
        [("../x", {})],
    ],
    ids=["a name twice", "a path through a link", "a hard link to nothing", "a path out of the root"],
)
def test_a_bad_layer_is_refused(read: Callable[..., Image], members: list[tuple[str, dict[str, Any]]]) -> None:
    with pytest.raises(BadImage):
        read(layer(*members))


def test_a_damaged_blob_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.index([layout.image([layer(("a", {}))], {})])
    for blob in (tmp_path / "layout/blobs/sha256").iterdir():
        blob.write_bytes(blob.read_bytes() + b" ")
    with pytest.raises(BadImage, match="other bytes"):
        read_image(tmp_path / "layout")


def test_a_docker_archive_is_read_like_a_layout(tmp_path: Path) -> None:
    data = layer(("a", {"data": b"x"}))
    layout = Layout(tmp_path / "layout")
    descriptor = layout.image([data], {"config": {}})
    layout.index([descriptor])
    manifest = json.loads((tmp_path / "layout/blobs/sha256" / descriptor["digest"][7:]).read_text())
    config = (tmp_path / "layout/blobs/sha256" / manifest["config"]["digest"][7:]).read_bytes()
    parts = {"manifest.json": b'[{"Config": "c.json", "Layers": ["l.tar"]}]', "c.json": config, "l.tar": data}
    (tmp_path / "saved.tar").write_bytes(layer(*((name, {"data": content}) for name, content in parts.items())))
    assert read_image(tmp_path / "saved.tar") == read_image(tmp_path / "layout")
