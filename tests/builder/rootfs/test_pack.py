from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import subprocess
import tarfile
from pathlib import Path

import pytest

from builder.errors import RootfsError
from builder.image.media import DOCKER_LAYER_GZIP, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, MediaType
from builder.ops import Copy, FromContext
from builder.rootfs import SourceTree, pipeline
from builder.rootfs.left import WORTHWHILE
from builder.rootfs.plain import PlainRootfs
from builder.rootfs.tree import Changes
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tree, tree_dump


def everything(rootfs: PlainRootfs) -> Changes:
    base = os.fsencode(rootfs.path)
    found = [os.fsdecode(os.path.join(top, name)[len(base) + 1 :]) for top, dirs, files in os.walk(base) for name in dirs + files]
    return Changes(written=tuple(sorted(found)))


def plain_bytes(rootfs: PlainRootfs, changes: Changes, blobs: Path) -> bytes:
    with rootfs.pack(changes, to=blobs, media_type=OCI_LAYER).blob.open() as stream:
        return stream.read()


def names(rootfs: PlainRootfs, changes: Changes, blobs: Path) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(plain_bytes(rootfs, changes, blobs))) as archive:
        return archive.getnames()


def test_ancestors_come_along_with_their_metadata(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"a/b/c": "", "a/other": ""})
    (rootfs.path / "a").chmod(0o1777)
    data = plain_bytes(rootfs, Changes(written=("a/b/c",)), blobs)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [(member.name, member.mode) for member in archive] == [("a", 0o1777), ("a/b", 0o755), ("a/b/c", 0o644)]


@pytest.mark.parametrize("how", ["longer", "as long", "another", "gone", "a link"])
def test_a_content_that_was_left_where_it_was_may_not_change(how: str, rootfs: PlainRootfs, blobs: Path, tmp_path: Path) -> None:
    context = make_tree(tmp_path / "context", {"d/file": bytes(WORTHWHILE), "d/small": "x", "other": bytes(WORTHWHILE)})
    file = context / "d/file"
    op = Copy(source=FromContext(), paths=("d",), destination="/to/")
    changes = rootfs.copy(op, SourceTree(path=context), leave=True)
    assert list(changes.left) == ["to/file"]
    assert [(rootfs.path / "to" / name).stat().st_size for name in ("file", "small")] == [0, 1]
    match how:
        case "longer":
            os.truncate(file, WORTHWHILE + 1)
        case "as long":
            file.write_bytes(bytes(WORTHWHILE))
            os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
        case "another":
            (context / "other").replace(file)
        case _:
            file.unlink()
            if how == "a link":
                file.symlink_to("../other")
    with pytest.raises(RootfsError, match=r"'/d/file' has changed while it was copied|can't put '/to/file' in a layer"):
        plain_bytes(rootfs, changes, blobs)
    assert not list(blobs.iterdir())


def test_deletions_are_whiteouts_below_their_ancestors(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"a/b": None})
    assert names(rootfs, Changes(deleted=("a/b/gone", "top")), blobs) == [".wh.top", "a", "a/b", "a/b/.wh.gone"]


def test_the_root_is_written_only_if_it_changed(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"a": ""})
    assert names(rootfs, Changes(written=("a",)), blobs) == ["a"]
    assert names(rootfs, Changes(written=("", "a")), blobs) == [".", "a"]


def test_no_change_is_an_empty_archive(rootfs: PlainRootfs, blobs: Path) -> None:
    assert plain_bytes(rootfs, Changes(), blobs) == bytes(1024)


def test_sockets_and_names_of_whiteouts_are_left_out(rootfs: PlainRootfs, blobs: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_tree(rootfs.path, {"a": "", ".wh.b": ""})
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(rootfs.path / "s"))
        assert names(rootfs, everything(rootfs), blobs) == ["a"]
    assert "'/.wh.b'" in caplog.text


def test_a_deleted_name_of_whiteouts_deletes_nothing_else(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"d/other": "", "d/.wh..opq": "", "d/.wh.other": ""})
    rootfs.snapshot()
    for name in (".wh..opq", ".wh.other"):
        (rootfs.path / "d" / name).unlink()
    assert names(rootfs, rootfs.diff(), blobs) == ["d"]


def test_an_attribute_whose_name_no_header_can_hold_is_left_out(
    rootfs: PlainRootfs, blobs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_tree(rootfs.path, {"a": "", "d": None})
    for name in ("a", "d"):
        os.setxattr(rootfs.path / name, "user.x=y", b"1")
        os.setxattr(rootfs.path / name, "user.z", b"2=3\n")
    with tarfile.open(fileobj=io.BytesIO(plain_bytes(rootfs, everything(rootfs), blobs))) as archive:
        assert [member.pax_headers for member in archive] == [{"SCHILY.xattr.user.z": "2=3\n"}] * 2
    assert "'user.x=y' of '/a'" in caplog.text


def test_hard_links_stay_links_to_the_first_name(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"b/one": "x"})
    os.link(rootfs.path / "b/one", rootfs.path / "a")
    with tarfile.open(fileobj=io.BytesIO(plain_bytes(rootfs, everything(rootfs), blobs))) as archive:
        assert [(member.name, member.type, member.linkname) for member in archive if not member.isdir()] == [
            ("a", tarfile.REGTYPE, ""),
            ("b/one", tarfile.LNKTYPE, "a"),
        ]


def test_times_are_whole_seconds_and_can_be_limited(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"a": "", "old": ""})
    os.utime(rootfs.path / "a", ns=(0, 1_700_000_000_999_999_999))
    os.utime(rootfs.path / "old", ns=(0, -1))
    for newest, times in ((None, [1_700_000_000, -1]), (1000, [1000, -1])):
        layer = rootfs.pack(everything(rootfs), to=blobs, newest=newest)
        with layer.blob.open() as stream, tarfile.open(fileobj=stream, mode="r|gz") as archive:
            assert [member.mtime for member in archive] == times


@pytest.mark.parametrize("media_type", [OCI_LAYER_GZIP, DOCKER_LAYER_GZIP, OCI_LAYER_ZSTD, OCI_LAYER])
def test_both_digests_are_right(rootfs: PlainRootfs, blobs: Path, media_type: MediaType) -> None:
    make_tree(rootfs.path, {"a": os.urandom(1 << 20), "b": bytes(3 << 20), "c": b"x"})
    layer = rootfs.pack(everything(rootfs), to=blobs, media_type=media_type)
    data = (blobs / layer.blob.descriptor.digest.hex).read_bytes()
    assert (layer.blob.path, layer.blob.descriptor.size) == (blobs / hashlib.sha256(data).hexdigest(), len(data))
    other = PlainRootfs(rootfs.path.parent / "other")
    with layer.blob.open() as stream:
        other.unpack(stream, diff_id=layer.diff_id)
    assert tree_dump(other.path) == tree_dump(rootfs.path)
    assert sorted(path.name for path in blobs.iterdir()) == [layer.blob.descriptor.digest.hex]


@pytest.mark.parametrize("level", [0, 1, 3, 4, 9])
def test_gzip_is_plain_gzip_at_every_level(rootfs: PlainRootfs, blobs: Path, level: int) -> None:
    make_tree(rootfs.path, {"a": b"some text " * 300_000})
    layer = rootfs.pack(everything(rootfs), to=blobs, level=level)
    with layer.blob.open() as stream:
        data = stream.read()
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert hashlib.sha256(gzip.decompress(data)).hexdigest() == layer.diff_id.hex
    subprocess.run(["gzip", "-t"], input=data, check=True)


def test_equal_trees_give_equal_digests_for_any_number_of_threads(
    rootfs: PlainRootfs, blobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(rootfs.path, {"a": os.urandom(5 << 20), "b/c": b"y" * 5_000_000})
    digests = set()
    for threads in (1, 2, 5):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid, threads=threads: range(threads))
        digests.add(rootfs.pack(everything(rootfs), to=blobs).blob.descriptor.digest)
    assert len(digests) == 1


@needs_root
def test_what_ustar_cannot_say_is_said_by_pax(rootfs: PlainRootfs, blobs: Path) -> None:
    make_tree(rootfs.path, {"ü": "1", "n" * 150: "2", "d" * 90 + "/" + "e" * 90: "3", "l": "-> " + "t" * 200})
    os.chown(rootfs.path / "ü", 3_000_000, 5)
    os.setxattr(rootfs.path / "ü", "user.k", b"\0v\n")
    tar = plain_bytes(rootfs, everything(rootfs), blobs)
    for other, command in (("gnu", ["tar", "-x", "--xattrs", "--xattrs-include=*", "-C"]), ("python", [])):
        target = rootfs.path.parent / other
        target.mkdir()
        if command:
            subprocess.run([*command, target], input=tar, check=True)
        else:
            with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
                archive.extractall(target, filter="fully_trusted")
            os.setxattr(target / "ü", "user.k", b"\0v\n")  # tarfile knows no attributes
        assert tree_dump(target) == tree_dump(rootfs.path)


def test_a_vanished_file_is_an_error_and_leaves_nothing(rootfs: PlainRootfs, blobs: Path) -> None:
    with pytest.raises(RootfsError, match="can't put '/gone' in a layer: No such file"):
        rootfs.pack(Changes(written=("gone",)), to=blobs)
    assert tree_dump(blobs) == {}


@pytest.mark.parametrize("size", [0, 10, 3 << 20])
def test_a_file_that_changes_meanwhile_is_an_error(
    rootfs: PlainRootfs, blobs: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(rootfs.path, {"log": bytes(1 << 20)})
    fill = pipeline.Pipeline.fill

    def fill_late(self: pipeline.Pipeline, fd: int, wanted: int) -> int:
        os.truncate(rootfs.path / "log", size)
        return fill(self, fd, wanted)

    monkeypatch.setattr(pipeline.Pipeline, "fill", fill_late)
    with pytest.raises(RootfsError, match="'/log' has changed"):
        rootfs.pack(Changes(written=("log",)), to=blobs)
    assert tree_dump(blobs) == {}


def test_a_full_disk_is_said(rootfs: PlainRootfs, blobs: Path) -> None:
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", blobs]).returncode:
        pytest.skip("SKIPPED: needs the right to mount")
    try:
        make_tree(rootfs.path, {"a": os.urandom(1 << 20)})
        with pytest.raises(RootfsError, match="no space left"):
            rootfs.pack(everything(rootfs), to=blobs)
        assert tree_dump(blobs) == {}
    finally:
        subprocess.run(["umount", blobs], check=True)


def test_an_unknown_media_type_is_refused(rootfs: PlainRootfs, blobs: Path) -> None:
    with pytest.raises(RootfsError, match="media type"):
        rootfs.pack(Changes(), to=blobs, media_type=MediaType("text/plain"))
    assert tree_dump(blobs) == {}
