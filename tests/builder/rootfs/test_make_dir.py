from __future__ import annotations

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


@pytest.mark.parametrize("path", ["/", "/a", "/a/", "/l", "/l/../a/."])
def test_what_exists_is_no_change(rootfs: PlainRootfs, path: str) -> None:
    make_tree(rootfs.path, {"a": None, "l": "-> a"})
    assert not rootfs.make_dir(MakeDir(path=path, user="5"))


def test_a_file_in_the_way_is_an_error(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, {"a": ""})
    with pytest.raises(RootfsError, match="can't make the directory '/a/b': Not a directory"):
        rootfs.make_dir(MakeDir(path="/a/b"))
