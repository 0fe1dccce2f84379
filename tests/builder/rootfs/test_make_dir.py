from __future__ import annotations

import os

import pytest

from builder.errors import RootfsError
from builder.ops import MakeDir
from builder.rootfs.plain import PlainRootfs
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tree, tree_dump


@needs_root
def test_only_missing_directories_are_made_and_owned(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, {"a": None})
    assert rootfs.make_dir(MakeDir(path="/a/b/c", user="5:6")).written == ("a/b", "a/b/c")
    assert tree_dump(rootfs.path) == {"/a/": "dir 0755", "/a/b/": "dir 0755 5:6", "/a/b/c/": "dir 0755 5:6"}


@needs_root
def test_below_a_set_group_id_directory_they_are_so_too_and_have_its_group(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, {"a": None})
    os.chown(rootfs.path / "a", 0, 50)
    os.chmod(rootfs.path / "a", 0o2775)
    rootfs.make_dir(MakeDir(path="/a/b/c"))
    rootfs.make_dir(MakeDir(path="/a/d", user="5:6"))
    made = {
        name: f"{oct(status.st_mode & 0o7777)} {status.st_gid}"
        for name in ("b", "b/c", "d")
        if (status := (rootfs.path / "a" / name).stat())
    }
    assert made == {"b": "0o2755 50", "b/c": "0o2755 50", "d": "0o2755 6"}


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/l", "/l/../a/."])
def test_what_exists_is_no_change(rootfs: PlainRootfs, path: str) -> None:
    make_tree(rootfs.path, {"a": None, "l": "-> a"})
    assert not rootfs.make_dir(MakeDir(path=path, user="5"))


def test_a_file_in_the_way_is_an_error(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, {"a": ""})
    with pytest.raises(RootfsError, match="can't make the directory '/a/b': Not a directory"):
        rootfs.make_dir(MakeDir(path="/a/b"))
