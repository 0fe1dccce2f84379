from __future__ import annotations

import gzip
import lzma
import os
import socket
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from builder.errors import BuilderError, ContextError, RootfsError
from builder.ops import Copy, FromContext, InlineFile
from builder.rootfs import SourceTree
from builder.rootfs.plain import PlainRootfs
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tar, make_tree, member, tree_dump

Tree = dict[str, str | bytes | None]
EMPTY, DIR = "file 0644 empty", "dir 0755"
CONTEXT: Tree = {
    "a": "",
    "b.txt": "",
    "d/x": "",
    "d/.hidden": "",
    "d/sub/y": "",
    "to-a": "-> a",
    "d/inner": "-> x",
    "to-d": "-> d",
}
D = {"/.hidden": EMPTY, "/inner": "symlink x", "/sub/": DIR, "/sub/y": EMPTY, "/x": EMPTY}


def below(prefix: str, tree: dict[str, str]) -> dict[str, str]:
    return {f"{prefix}/": DIR} | {prefix + path: entry for path, entry in tree.items()}


def copy(
    rootfs: PlainRootfs,
    source: SourceTree,
    *paths: str,
    to: str,
    unpack: bool = False,
    chown: str | None = None,
    chmod: str | None = None,
) -> tuple[str, ...]:
    op = Copy(source=FromContext(), paths=paths, destination=to, unpack=unpack, chown=chown, chmod=chmod)
    return rootfs.copy(op, source).written


ALL = below("/d", D) | {"/a": EMPTY, "/b.txt": EMPTY, "/to-a": "symlink a", "/to-d": "symlink d"}
CASES: list[tuple[str, tuple[str, ...], str, Tree, dict[str, str]]] = [
    ("a file to a name", ("a",), "/n", {}, {"/n": EMPTY}),
    ("a file to a missing directory's name", ("a",), "/p/q/n", {}, below("/p", {"/q/": DIR, "/q/n": EMPTY})),
    ("a file with a trailing slash", ("a",), "/p/", {}, below("/p", {"/a": EMPTY})),
    ("a file with a trailing dot", ("a",), "/p/.", {}, below("/p", {"/a": EMPTY})),
    ("a file onto a directory", ("a",), "/p", {"p/old": ""}, below("/p", {"/a": EMPTY, "/old": EMPTY})),
    ("a file over a file", ("a",), "/n", {"n": "old"}, {"/n": EMPTY}),
    ("a file to the root", ("a",), "/", {}, {"/a": EMPTY}),
    ("several files", ("a", "b.txt"), "/p/", {}, below("/p", {"/a": EMPTY, "/b.txt": EMPTY})),
    ("several files, no slash", ("a", "b.txt"), "/n", {}, {"/n": EMPTY}),
    ("a directory's content", ("d",), "/p", {}, below("/p", D)),
    ("a directory's content, slashes", ("d/",), "/p/", {}, below("/p", D)),
    ("a directory's content to the root", ("d",), "/", {}, D),
    ("a directory onto a directory", ("d",), "/p", {"p/sub/old": ""}, below("/p", D | {"/sub/old": EMPTY})),
    ("the source's root", (".",), "/p", {}, below("/p", ALL)),
    ("above the source's root", ("../../a",), "/n", {}, {"/n": EMPTY}),
    ("an absolute source", ("/d/x",), "/n", {}, {"/n": EMPTY}),
    ("a link to a file is followed", ("to-a",), "/p/", {}, below("/p", {"/to-a": EMPTY})),
    ("a link to a directory is followed", ("to-d",), "/p", {}, below("/p", D)),
    ("through a link", ("to-d/x",), "/n", {}, {"/n": EMPTY}),
    ("wildcards", ("*.t?t",), "/p/", {}, below("/p", {"/b.txt": EMPTY})),
    ("wildcards match dot files", ("d/*n",), "/p/", {}, below("/p", {"/.hidden": EMPTY})),
    ("wildcards match directories, whose content is copied", ("[d]*/su[^a]",), "/p/", {}, below("/p", {"/y": EMPTY})),
    ("wildcards don't cross slashes", ("*y",), "/p/", {}, {}),
    ("wildcards below a link", ("to-d/x*",), "/p/", {}, below("/p", {"/x": EMPTY})),
    ("a wildcard never descends into a link", ("to-*/x",), "/p/", {}, {}),
    (
        "a linked destination is followed inside the root",
        ("a",),
        "/l/n",
        {"l": "-> /../real"},
        {"/l": "symlink /../real"} | below("/real", {"/n": EMPTY}),
    ),
    ("a linked file is written through", ("a",), "/l", {"l": "-> t", "t": "old"}, {"/l": "symlink t", "/t": EMPTY}),
    ("a link in a directory is replaced", ("a",), "/p/", {"p/a": "-> ../t", "t": ""}, below("/p", {"/a": EMPTY}) | {"/t": EMPTY}),
]  # fmt: skip


@pytest.mark.parametrize(("paths", "to", "before", "tree"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_copy(rootfs: PlainRootfs, tmp_path: Path, paths: tuple[str, ...], to: str, before: Tree, tree: dict[str, str]) -> None:
    context = make_tree(tmp_path / "context", CONTEXT)
    make_tree(rootfs.path, before)
    rootfs.snapshot()
    written = copy(rootfs, SourceTree(path=context), *paths, to=to)
    assert tree_dump(rootfs.path) == tree
    scanned = rootfs.diff()
    assert not scanned.deleted
    assert set(written) <= set(scanned.written)
    assert {path for path in scanned.written if not (rootfs.path / path).is_dir()} <= set(written)


ERRORS: list[tuple[str, str, Tree, type[BuilderError], str]] = [
    ("no", "/n", {}, ContextError, '^"/no": not found$'),
    ("a/x", "/n", {}, ContextError, '"/a/x": not found'),
    ("no/*", "/n", {}, ContextError, '"/no/\\*": not found'),
    ("[", "/n", {}, ContextError, "malformed wildcard"),
    ("loop", "/n", {}, ContextError, '"/loop": Too many levels'),
    ("d", "/n", {"n": ""}, RootfsError, "over '/n', which isn't one"),
    ("d", "/p", {"p/sub": ""}, RootfsError, "over '/p/sub', which isn't one"),
    ("d", "/p", {"p/sub": "-> ../d", "d": None}, RootfsError, "over '/p/sub', which isn't one"),
    ("d", "/p", {"p/x/y": ""}, RootfsError, "over the directory '/p/x'"),
    ("a", "/n/", {"n": ""}, RootfsError, "not a directory"),
    ("a", "/n/x", {"n": ""}, RootfsError, "[Nn]ot a directory"),
]


@pytest.mark.parametrize(("path", "to", "before", "kind", "message"), ERRORS)
def test_what_cannot_be_copied(
    rootfs: PlainRootfs, tmp_path: Path, path: str, to: str, before: Tree, kind: type[BuilderError], message: str
) -> None:
    context = make_tree(tmp_path / "context", CONTEXT | {"loop": "-> loop"})
    make_tree(rootfs.path, before)
    with pytest.raises(kind, match=message):
        copy(rootfs, SourceTree(path=context), path, to=to)


def test_the_written_paths_have_no_links(rootfs: PlainRootfs, tmp_path: Path) -> None:
    make_tree(rootfs.path, {"usr/lib": None, "lib": "-> usr/lib"})
    context = make_tree(tmp_path / "context", CONTEXT)
    assert copy(rootfs, SourceTree(path=context), "a", to="/lib/new/") == ("usr/lib/new", "usr/lib/new/a")


@needs_root
def test_files_of_a_context_belong_to_root_those_of_a_rootfs_keep_their_owner(rootfs: PlainRootfs, tmp_path: Path) -> None:
    other = PlainRootfs(tmp_path / "other")
    make_tree(other.path, {"f": ""})
    os.chown(other.path / "f", 7, 8)
    copy(rootfs, SourceTree(path=other.path), "f", to="/context")
    copy(rootfs, other.as_source(), "f", to="/stage")
    assert tree_dump(rootfs.path) == {"/context": "file 0644 empty", "/stage": "file 0644 7:8 empty"}


def test_directories_made_on_the_way_have_the_mode_under_the_umask_of_buildkit(rootfs: PlainRootfs, tmp_path: Path) -> None:
    context = make_tree(tmp_path / "context", {"f": ""})
    copy(rootfs, SourceTree(path=context), "f", to="/a/f", chmod="4777")
    assert stat.S_IMODE((rootfs.path / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((rootfs.path / "a/f").stat().st_mode) == 0o4777


@needs_root
def test_chown_and_chmod_reach_everything_made_but_no_link_mode(rootfs: PlainRootfs, tmp_path: Path) -> None:
    context = make_tree(tmp_path / "context", {"d/s/x": "", "d/l": "-> x"})
    make_tree(rootfs.path, {"old": None, "etc/passwd": "app:x:7:8::/:\n"})
    copy(rootfs, SourceTree(path=context), "d", to="/old/new/", chown="app", chmod="750")
    assert {path: entry for path, entry in tree_dump(rootfs.path).items() if not path.startswith("/etc")} == {
        "/old/": DIR,
        "/old/new/": "dir 0750 7:8",
        "/old/new/l": "symlink x 7:8",
        "/old/new/s/": "dir 0750 7:8",
        "/old/new/s/x": "file 0750 7:8 empty",
    }


@needs_root
def test_the_destination_keeps_its_metadata_nested_directories_take_the_sources(rootfs: PlainRootfs, tmp_path: Path) -> None:
    context = make_tree(tmp_path / "context", {"d/s/x": ""})
    (context / "d").chmod(0o700)
    (context / "d/s").chmod(0o711)
    make_tree(rootfs.path, {"p/s": None})
    for name in ("p", "p/s"):
        os.chown(rootfs.path / name, 5, 5)
        os.utime(rootfs.path / name, (77, 77))
    copy(rootfs, SourceTree(path=context), "d", to="/p")
    found = tree_dump(rootfs.path, times=True)
    assert found["/p/"] == "dir 0755 5:5 @77"
    assert found["/p/s/"] == f"dir 0711 @{int((context / 'd/s').stat().st_mtime)}"


@needs_root
def test_times_modes_attributes_links_and_special_files_are_copied(rootfs: PlainRootfs, tmp_path: Path) -> None:
    context = make_tree(tmp_path / "context", {"a": "x", "suid": ""})
    os.link(context / "a", context / "b")
    os.mkfifo(context / "fifo")
    os.mknod(context / "null", 0o20666, os.makedev(1, 3))
    (context / "suid").chmod(0o4755)
    os.setxattr(context / "a", "user.k", b"v")
    os.utime(context / "a", ns=(0, 123_456_789_012))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(context / "socket"))
        copy(rootfs, SourceTree(path=context), ".", to="/")
    expected = tree_dump(context, times=True)
    expected["/socket"] = expected["/socket"].replace("socket 0755", "file 0755 empty")
    assert tree_dump(rootfs.path, times=True) == expected
    assert (rootfs.path / "a").stat().st_mtime_ns == 123_456_789_012


@needs_root
def test_inline_files_come_last_and_go_where_copied_files_would(rootfs: PlainRootfs, tmp_path: Path) -> None:
    context = make_tree(tmp_path / "context", {"a": "from the context"})
    make_tree(rootfs.path, {"p/link": "-> ../target", "target": "old"})
    files = (InlineFile(name="a", content="inline \udcff"), InlineFile(name="link", content=""))
    op = Copy(source=FromContext(), paths=("a",), files=files, destination="/p/", chown="7:8", chmod="g+w")
    assert rootfs.copy(op, SourceTree(path=context)).written == ("p/a", "p/link")
    assert (rootfs.path / "p/a").read_bytes() == b"inline \xff"
    assert tree_dump(rootfs.path)["/p/link"] == "file 0664 7:8 empty"
    assert (rootfs.path / "target").read_text() == "old"


def test_an_inline_file_makes_its_directory_or_takes_the_destinations_name(rootfs: PlainRootfs, tmp_path: Path) -> None:
    for destination in ("/new/dir/", "/new/name"):
        op = Copy(source=FromContext(), paths=(), files=(InlineFile(name="a", content=""),), destination=destination)
        rootfs.copy(op, SourceTree(path=tmp_path))
    assert tree_dump(rootfs.path) == below("/new", {"/dir/": DIR, "/dir/a": EMPTY, "/name": EMPTY})


def test_a_copy_shares_nothing_with_its_source(rootfs: PlainRootfs, tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    context = make_tree(tmp_path / "context", {"a": content})
    copy(rootfs, SourceTree(path=context), "a", to="/a")
    (context / "a").write_bytes(b"changed")
    assert (rootfs.path / "a").read_bytes() == content


def ignoring(context: Path, *ignored: str, kept: tuple[str, ...] = ()) -> SourceTree:
    def is_ignored(path: str) -> bool:
        return any(path == name or path.startswith(name + "/") for name in ignored) and path not in kept

    return SourceTree(path=context, ignored=is_ignored, prunes=lambda path: not kept, ignore_file="x.dockerignore")


def test_ignored_files_are_not_there(rootfs: PlainRootfs, tmp_path: Path) -> None:
    source = ignoring(make_tree(tmp_path / "context", CONTEXT), "a", "d/sub")
    copy(rootfs, source, "d", to="/p")
    assert tree_dump(rootfs.path) == below("/p", {"/.hidden": EMPTY, "/inner": "symlink x", "/x": EMPTY})
    assert copy(rootfs, source, "a*", to="/q/") == ()
    for path in ("a", "to-a", "d/sub/y"):
        with pytest.raises(ContextError, match=f'"/{path}": not found') as caught:
            copy(rootfs, source, path, to="/n")
        assert caught.value.hint == "it is there, but x.dockerignore excludes it"


def test_what_is_kept_of_an_ignored_directory_brings_the_directory(rootfs: PlainRootfs, tmp_path: Path) -> None:
    source = ignoring(make_tree(tmp_path / "context", CONTEXT | {"e/f": ""}), "d", "e", kept=("d/sub/y",))
    copy(rootfs, source, ".", to="/")
    assert {path for path in tree_dump(rootfs.path) if path.startswith(("/d", "/e"))} == {"/d/", "/d/sub/", "/d/sub/y"}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, zstandard.compress])
def test_add_extracts_archives_by_content(rootfs: PlainRootfs, tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    tar = make_tar(member("./", type=tarfile.DIRTYPE, mode=0o700), member("e/f", mode=0o600, uid=5), member(".wh.x"))
    context = make_tree(tmp_path / "context", {"archive.bin": compress(tar)})
    written = copy(rootfs, SourceTree(path=context), "archive.bin", to="/p", unpack=True)
    owner = " 5:0" if os.geteuid() == 0 else ""
    assert tree_dump(rootfs.path) == below("/p", {"/.wh.x": EMPTY, "/e/": DIR, "/e/f": f"file 0600{owner} empty"})
    assert set(written) == {"p", "p/e", "p/e/f", "p/.wh.x"}


@pytest.mark.parametrize(
    "content", [b"", b"text", gzip.compress(b"text" * 500, mtime=0), b"\x1f\x8b\x08broken", bytes(1024), b"BZh9"]
)
def test_add_copies_what_is_no_archive(rootfs: PlainRootfs, tmp_path: Path, content: bytes) -> None:
    context = make_tree(tmp_path / "context", {"f": content})
    copy(rootfs, SourceTree(path=context), "f", to="/f", unpack=True)
    assert (rootfs.path / "f").read_bytes() == content


@needs_root
def test_chown_reaches_extracted_entries_chmod_does_not(rootfs: PlainRootfs, tmp_path: Path) -> None:
    context = make_tree(tmp_path / "context", {"t": make_tar(member("f", uid=5, mode=0o600))})
    copy(rootfs, SourceTree(path=context), "t", to="/p/", unpack=True, chown="9", chmod="711")
    assert tree_dump(rootfs.path) == {"/p/": "dir 0755 9:9", "/p/f": "file 0600 9:9 empty"}


def test_an_archive_cannot_leave_its_destination(rootfs: PlainRootfs, tmp_path: Path) -> None:
    tar = make_tar(member("l", type=tarfile.SYMTYPE, linkname="/etc"), member("l/x"))
    context = make_tree(tmp_path / "context", {"t": tar})
    make_tree(rootfs.path, {"etc": None})
    copy(rootfs, SourceTree(path=context), "t", to="/p/", unpack=True)
    assert tree_dump(rootfs.path) == {"/etc/": DIR} | below("/p", {"/etc/": DIR, "/etc/x": EMPTY, "/l": "symlink /etc"})
