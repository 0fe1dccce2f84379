from __future__ import annotations

import io
import logging
import tarfile

import pytest

from builder.bill import read_contents
from builder.errors import ImageError
from builder.image.blob import Blob
from builder.image.digest import Digest
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER

PACKAGE = '{{"name": "{}", "version": "1"}}'


def layer(*entries: tuple[str, str | bytes | None]) -> Layer:
    """A tar of these: text is a file's, bytes are a hard link's target, None is a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.type, member.linkname = tarfile.LNKTYPE, content.decode()
            elif content is None:
                member.type = tarfile.DIRTYPE
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()) if isinstance(content, str) else None)
    data = out.getvalue()
    return Layer(blob=Blob.of(data, OCI_LAYER), diff_id=Digest.of(data))


def node(name: str, *, top: str = "app") -> tuple[str, str]:
    return f"{top}/node_modules/{name}/package.json", PACKAGE.format(name)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([layer(node("a"), node("b"))], ["a", "b"]),
        ([layer(node("a")), layer(node("b"))], ["a", "b"]),
        ([layer(node("a"), node("b")), layer(("app/node_modules/.wh.a", ""))], ["b"]),
        ([layer(node("a")), layer(("app/.wh.node_modules", ""), node("b"))], ["b"]),
        ([layer(node("a")), layer(node("b"), ("app/.wh..wh..opq", ""))], ["b"]),
        ([layer(node("a")), layer(("app", "now a file"))], []),
        ([layer(node("a")), layer(("./app/node_modules/", None))], ["a"]),
        ([layer(node("a")), layer(("app/node_modules/a/package.json", PACKAGE.format("c")))], ["c"]),
        ([layer(("./app/node_modules/a/package.json", PACKAGE.format("a")))], ["a"]),
        ([layer(node("a"), ("x/node_modules/a/package.json", b"app/node_modules/a/package.json"))], ["a", "a"]),
        ([layer(node("a")), layer((".wh.app", ""))], []),
        ([layer(node("a")), layer((".wh..wh..opq", ""), node("b"))], ["b"]),
    ],
)
def test_what_later_layers_delete_is_not_in_the_bill(layers: list[Layer], expected: list[str]) -> None:
    contents = read_contents(layers)
    assert ([package.name for package in contents.packages], contents.unread) == (expected, ())


UNREAD: list[tuple[str, str | bytes | None]] = [
    ("var/lib/rpm/Packages", "x"),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", "x"),
    ("n/node_modules/a/package.json", b"store/1"),
]


def test_what_cannot_be_read_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        contents = read_contents([layer(node("b"), *UNREAD, ("var/lib/rpm/rpmdb.sqlite-wal", ""))])
    assert [package.name for package in contents.packages] == ["b"]
    assert contents.unread == tuple(sorted(name for name, _ in UNREAD))
    assert "'/var/lib/rpm/Packages' is left out of the bill of materials: it is a Berkeley database" in caplog.text
    assert "'/usr/lib/sysimage/rpm/rpmdb.sqlite' is left out of the bill of materials: it is no SQLite database" in caplog.text
    assert "another name of '/store/1'" in caplog.text


def test_what_cannot_be_read_and_is_deleted_is_no_matter() -> None:
    gone = [layer(*UNREAD), layer(("var/lib/.wh.rpm", ""), ("usr/lib/sysimage/rpm/.wh.rpmdb.sqlite", ""), (".wh.n", ""))]
    assert read_contents(gone).unread == ()


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08 no gzip", b"x" * 2000])
def test_a_layer_that_cannot_be_read_is_an_error(data: bytes) -> None:
    broken = Layer(blob=Blob.of(data, OCI_LAYER), diff_id=Digest.of(data))
    with pytest.raises(ImageError, match="can't read layer sha256:"):
        read_contents([broken])
