from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from builder.errors import RootfsError
from builder.image.digest import Digest
from builder.rootfs.plain import PlainRootfs
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tar, make_tree, member, tree_dump

DIR, LINK, SYMLINK = tarfile.DIRTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE
Item = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]

LAYERS: list[tuple[str, dict[str, str | bytes | None], list[Item], dict[str, str]]] = [
    ("a file replaces a file", {"a": "old"}, [(member("a"), b"new")], {"/a": "file 0644 11507a0e"}),
    ("a file replaces a directory", {"a/b/c": ""}, [member("a")], {"/a": "file 0644 empty"}),
    ("a directory replaces a file", {"a": ""}, [member("a", type=DIR)], {"/a/": "dir 0755"}),
    (
        "a directory keeps its content",
        {"a/b": ""},
        [member("a", type=DIR, mode=0o700)],
        {"/a/": "dir 0700", "/a/b": "file 0644 empty"},
    ),
    (
        "a directory replaces a link to a directory",
        {"real/x": "", "a": "-> real"},
        [member("a", type=DIR), member("a/y")],
        {"/a/": "dir 0755", "/a/y": "file 0644 empty", "/real/": "dir 0755", "/real/x": "file 0644 empty"},
    ),
    (
        "a linked parent is followed",
        {"usr/lib": None, "lib": "-> usr/lib"},
        [member("lib/x")],
        {"/lib": "symlink usr/lib", "/usr/": "dir 0755", "/usr/lib/": "dir 0755", "/usr/lib/x": "file 0644 empty"},
    ),
    ("missing parents are made", {}, [member("a/b")], {"/a/": "dir 0755", "/a/b": "file 0644 empty"}),
    ("an absolute name is below the root", {}, [member("/a")], {"/a": "file 0644 empty"}),
    ("dots in a name that stay inside", {}, [member("./x/../a")], {"/a": "file 0644 empty"}),
    ("a whiteout deletes a tree", {"a/b/c": "", "d": ""}, [member(".wh.a")], {"/d": "file 0644 empty"}),
    ("a whiteout of nothing does nothing", {}, [member("x/.wh.a")], {"/x/": "dir 0755"}),
    (
        "a whiteout spares its own layer",
        {"a": "old", "d/old": ""},
        [(member("a"), b"new"), member(".wh.a"), member("d/new"), member(".wh.d")],
        {"/a": "file 0644 11507a0e", "/d/": "dir 0755", "/d/new": "file 0644 empty"},
    ),
    (
        "an opaque marker hides lower layers only",
        {"d/old/x": "", "d/both/old": ""},
        [member("d/both/new"), member("d/.wh..wh..opq"), member("d/after")],
        {"/d/": "dir 0755", "/d/after": "file 0644 empty", "/d/both/": "dir 0755", "/d/both/new": "file 0644 empty"},
    ),
    (
        "a whiteout of what its own layer has replaced does nothing",
        {"d/old": ""},
        [member("d/x"), member("d"), member("d", type=DIR), member("d/.wh.x")],
        {"/d/": "dir 0755"},
    ),
    ("aufs's own files are left out", {}, [member(".wh..wh.plnk", type=DIR), member("a")], {"/a": "file 0644 empty"}),
    (
        "a hard link may point to a lower layer",
        {"a": "old"},
        [member("b", type=LINK, linkname="/a")],
        {"/a": "file 0644 cba06b57 <1>", "/b": "file 0644 cba06b57 <1>"},
    ),
    (
        "a hard link to a symbolic link links that",
        {"s": "-> nowhere"},
        [member("b", type=LINK, linkname="s")],
        {"/b": "symlink nowhere", "/s": "symlink nowhere"},
    ),
    ("an old directory is known by its slash", {}, [member("a/", type=tarfile.AREGTYPE)], {"/a/": "dir 0644"}),
    ("set-id bits are kept", {}, [member("a", mode=0o6755)], {"/a": "file 6755 empty"}),
]


@pytest.mark.parametrize(("lower", "members", "tree"), [case[1:] for case in LAYERS], ids=[case[0] for case in LAYERS])
def test_a_layer_is_applied(
    rootfs: PlainRootfs, lower: dict[str, str | bytes | None], members: list[Item], tree: dict[str, str]
) -> None:
    make_tree(rootfs.path, lower)
    rootfs.unpack(io.BytesIO(make_tar(*members)))
    assert tree_dump(rootfs.path) == tree


HOSTILE: list[tuple[str, list[Item], str]] = [
    ("dots above the root", [member("../outside/x")], "leads out of the root"),
    ("dots in the middle", [member("a/../../outside/x")], "leads out of the root"),
    ("a hard link above the root", [member("x", type=LINK, linkname="../outside/secret")], "leads out of the root"),
    ("a hard link to nothing", [member("x", type=LINK, linkname="no")], "can't make a hard link"),
    ("a hard link to a directory", [member("d", type=DIR), member("x", type=LINK, linkname="d")], "can't make a hard link"),
    ("a hard link to itself", [member("x"), member("x", type=LINK, linkname="x")], "hard link to itself"),
    ("a whiteout of the parent", [member("d/.wh...")], "whiteout of nothing"),
    ("a whiteout of the directory", [member("d/.wh..")], "whiteout of nothing"),
    ("the root as a link", [member(".", type=SYMLINK, linkname="/etc")], "root can only be a directory"),
    ("a sparse file", [member("x", type=b"S")], "GNU sparse"),
    ("a sparse file by PAX", [member("x", pax_headers={"GNU.sparse.major": "1"})], "GNU sparse"),
    ("an unknown type", [member("x", type=b"Z")], "type 'Z'"),
    ("a file as a parent", [member("f"), member("f/x")], "'f/x'"),
    ("a name too long", [member("n" * 300)], "too long"),
    ("a negative size", [member("x", size=-1)], "negative size"),
    ("a size beyond all disks", [member("x", pax_headers={"size": str(1 << 62)})], "invalid size"),
    ("a size that isn't a number", [member("x", pax_headers={"size": "1e9"})], "invalid size"),
    ("a NUL in a PAX path", [member("x", pax_headers={"path": "a\0b"})], "NUL in path"),
    ("a time that isn't one", [member("x", pax_headers={"mtime": "soon"})], "invalid mtime"),
    ("too long a PAX header", [member("x", pax_headers={"comment": "c" * (2 << 20)})], "extended header of"),
]


@pytest.mark.parametrize(("members", "message"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_archive_is_refused(rootfs: PlainRootfs, members: list[Item], message: str) -> None:
    outside = make_tree(rootfs.path.parent / "outside", {"secret": "s"})
    with pytest.raises(RootfsError, match=message):
        rootfs.unpack(io.BytesIO(_raw_tar(*members)))
    assert tree_dump(outside) == {"/secret": "file 0644 043a7187"}


def _raw_tar(*members: Item) -> bytes:
    """As make_tar, but GNU format unless PAX is asked for, so that negative numbers can be written."""
    wants_pax = any(item.pax_headers for item in members if isinstance(item, tarfile.TarInfo))
    return make_tar(*members, format=tarfile.PAX_FORMAT if wants_pax else tarfile.GNU_FORMAT)


OUT = member("l", type=SYMLINK, linkname="../outside")
INSIDE = {"/outside/": "dir 0755"}
ESCAPES: list[tuple[str, list[Item], dict[str, str]]] = [
    ("through a link made by the archive", [OUT, member("l/x")], INSIDE | {"/outside/x": "file 0644 empty"}),
    (
        "through an absolute link",
        [member("l", type=SYMLINK, linkname="/outside"), member("l/x")],
        INSIDE | {"/outside/x": "file 0644 empty"},
    ),
    ("by whiteout through a link", [OUT, member("l/.wh.secret")], INSIDE),
    ("by opaque marker through a link", [OUT, member("l/.wh..wh..opq")], INSIDE),
]


@pytest.mark.parametrize(("members", "inside"), [case[1:] for case in ESCAPES], ids=[case[0] for case in ESCAPES])
def test_links_lead_nowhere_but_inside(rootfs: PlainRootfs, members: list[Item], inside: dict[str, str]) -> None:
    outside = make_tree(rootfs.path.parent / "outside", {"secret": "s"})
    rootfs.unpack(io.BytesIO(make_tar(*members)))
    found = tree_dump(rootfs.path)
    del found["/l"]
    assert (found, tree_dump(outside)) == (inside, {"/secret": "file 0644 043a7187"})


def test_a_directory_replaced_by_a_link_does_not_lead_times_outside(rootfs: PlainRootfs) -> None:
    outside = make_tree(rootfs.path.parent / "outside", {"sub": None})
    before = (outside / "sub").stat().st_mtime_ns
    members = [member("d/sub", type=DIR, mtime=77), member("d", type=SYMLINK, linkname="../outside")]
    rootfs.unpack(io.BytesIO(make_tar(*members)))
    assert (outside / "sub").stat().st_mtime_ns == before


COMPRESSORS: list[Callable[[bytes], bytes]] = [
    bytes,
    gzip.compress,
    bz2.compress,
    lzma.compress,
    zstandard.compress,
    lambda data: gzip.compress(data[:1000]) + gzip.compress(data[1000:]),
    lambda data: zstandard.compress(data[:1000]) + zstandard.compress(data[1000:]),
    lambda data: gzip.compress(data) + bytes(512),
    lambda data: b"\x50\x2a\x4d\x18\4\0\0\0size" + zstandard.compress(data),
]
KINDS = ["plain", "gzip", "bzip2", "xz", "zstd", "gzips", "zstds", "padded gzip", "zstd after a frame to be skipped"]


@pytest.mark.parametrize("compress", COMPRESSORS, ids=KINDS)
def test_compression_is_found_by_content(rootfs: PlainRootfs, compress: Callable[[bytes], bytes]) -> None:
    tar = make_tar((member("a"), b"new"), member("d", type=DIR))
    stream = io.BytesIO(compress(tar))
    rootfs.unpack(stream, diff_id=Digest.of(tar))
    assert stream.read() == b""
    assert tree_dump(rootfs.path) == {"/a": "file 0644 11507a0e", "/d/": "dir 0755"}


@pytest.mark.parametrize("keep", [100, 600, 700, 1024, 1500])
def test_a_truncated_archive_is_an_error(rootfs: PlainRootfs, keep: int) -> None:
    tar = make_tar((member("a"), b"x" * 1000))
    with pytest.raises(RootfsError, match="truncated"):
        rootfs.unpack(io.BytesIO(tar[:keep]))


@pytest.mark.parametrize("damage", [lambda data: data[:-20], lambda data: data[:200] + b"\0\0\0\0" + data[204:]])
def test_a_damaged_compression_is_an_error(rootfs: PlainRootfs, damage: Callable[[bytes], bytes]) -> None:
    tar = make_tar((member("a"), os.urandom(5000)))
    with pytest.raises(RootfsError):
        rootfs.unpack(io.BytesIO(damage(gzip.compress(tar))))


def test_a_wrong_checksum_is_an_error(rootfs: PlainRootfs) -> None:
    tar = bytearray(make_tar(member("a")))
    tar[0] ^= 1
    with pytest.raises(RootfsError, match="damaged header"):
        rootfs.unpack(io.BytesIO(bytes(tar)))


def test_another_diff_id_is_an_error(rootfs: PlainRootfs) -> None:
    with pytest.raises(RootfsError, match="diff_id"):
        rootfs.unpack(io.BytesIO(make_tar(member("a"))), diff_id=Digest.of(b""))


def test_what_reading_raises_comes_through(rootfs: PlainRootfs) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise RootfsError("the network is gone")

    with pytest.raises(RootfsError, match="the network is gone"):
        rootfs.unpack(Broken())


def test_times_are_set_those_of_directories_last(rootfs: PlainRootfs) -> None:
    rootfs.unpack(
        io.BytesIO(
            make_tar(member("d", type=DIR, mtime=5), member("d/f", mtime=7), member("l", type=SYMLINK, mtime=9, linkname="x"))
        )
    )
    rootfs.unpack(io.BytesIO(make_tar(member("d/g", mtime=-3))))
    times = {path.name: path.lstat().st_mtime for path in rootfs.path.rglob("*")}
    assert times == {"d": 5, "f": 7, "l": 9, "g": -3}


@needs_root
def test_owners_devices_and_attributes_are_kept(rootfs: PlainRootfs) -> None:
    capability = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    attributes = {"SCHILY.xattr.user.k": "v", "SCHILY.xattr.trusted.overlay.opaque": "y"}
    rootfs.unpack(
        io.BytesIO(
            make_tar(
                member("big", uid=3_000_000, gid=4_000_000, pax_headers=attributes),
                member("c", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
                member("p", type=tarfile.FIFOTYPE, uid=1, gid=2),
                member("cap", pax_headers={"SCHILY.xattr.security.capability": capability.decode()}),
            )
        )
    )
    assert tree_dump(rootfs.path) == {
        "/big": "file 0644 3000000:4000000 empty user.k=b'v'",
        "/c": "char 0666 1:3",
        "/cap": f"file 0644 empty security.capability={capability!r}",
        "/p": "fifo 0644 1:2",
    }


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_of_every_format_are_read(rootfs: PlainRootfs, format: int) -> None:
    name = "/".join(["d" * 60] * (3 if format == tarfile.USTAR_FORMAT else 9))
    target = "t" * (99 if format == tarfile.USTAR_FORMAT else 300)
    rootfs.unpack(io.BytesIO(make_tar(member(name), member("l", type=SYMLINK, linkname=target), format=format)))
    assert (rootfs.path / name).is_file()
    assert os.readlink(rootfs.path / "l") == target


def test_gnu_tar_is_read(rootfs: PlainRootfs, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "t", {"a b\n": "x", "d/ü": "y", "s": "-> d", "e" * 120: "z" * 70000})
    os.link(tree / "s", tree / "t")
    os.link(tree / "d/ü", tree / "u")
    (tree / os.fsdecode(b"\xff\xfe")).touch()
    tar = subprocess.run(["tar", "-C", tree, "-cf", "-", "."], check=True, capture_output=True).stdout
    rootfs.unpack(io.BytesIO(tar))
    assert tree_dump(rootfs.path, times=True) == tree_dump(tree, times=True)


def test_a_full_disk_is_said(rootfs: PlainRootfs) -> None:
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", rootfs.path]).returncode:
        pytest.skip("SKIPPED: needs the right to mount")
    try:
        with pytest.raises(RootfsError, match="no space left on the disk to unpack 'a'"):
            rootfs.unpack(io.BytesIO(make_tar((member("a"), bytes(1 << 20)))))
    finally:
        subprocess.run(["umount", rootfs.path], check=True)


def test_the_attributes_of_a_directory_are_replaced(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, {"d/below": ""})
    for name in ("user.old", "user.both"):
        os.setxattr(rootfs.path / "d", name, b"1")
    headers = {"SCHILY.xattr.user.both": "2", "SCHILY.xattr.user.new": "3"}
    rootfs.unpack(io.BytesIO(make_tar(member("d", type=DIR, pax_headers=headers))))
    assert tree_dump(rootfs.path)["/d/"] == "dir 0755 user.both=b'2' user.new=b'3'"


def test_the_root_directory_can_be_changed(rootfs: PlainRootfs) -> None:
    rootfs.unpack(io.BytesIO(make_tar(member("./", type=DIR, mode=0o711))))
    assert stat.S_IMODE(rootfs.path.stat().st_mode) == 0o711
