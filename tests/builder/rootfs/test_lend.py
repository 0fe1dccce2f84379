"""What a mount shows of a tree is what COPY sees of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.errors import ContextError
from builder.rootfs import Owners, SourceTree
from builder.rootfs.lend import lend
from tests.support.tree import make_tree


@pytest.mark.parametrize("is_archive", [False, True], ids=["a directory", "an archive, with owners of its own"])
def test_what_is_ignored_is_not_shown(is_archive: bool, tmp_path: Path) -> None:
    make_tree(tmp_path / "context", {"seen": "", "d/secret": "", "d/seen": ""})
    owners = Owners(tmp_path) if is_archive else None
    tree = SourceTree(path=tmp_path / "context", owners=owners, ignored=lambda path: path == "d/secret")
    lent = lend(tree, "/", directory=tmp_path)
    assert (sorted(os.listdir(lent)), os.listdir(lent / "d")) == (["d", "seen"], ["seen"])


def test_a_link_that_is_ignored_leads_nowhere(tmp_path: Path) -> None:
    make_tree(tmp_path / "context", {"d/f": "", "link": "-> d"})
    tree = SourceTree(path=tmp_path / "context", ignored=lambda path: path == "link")
    with pytest.raises(ContextError, match='"/link": not found'):
        lend(tree, "/link", directory=tmp_path)


def test_a_rootfs_is_shown_as_it_is(tmp_path: Path) -> None:
    make_tree(tmp_path / "stage", {"d/f": ""})
    assert lend(SourceTree(path=tmp_path / "stage", owners=Owners(tmp_path)), "/d", directory=tmp_path) == tmp_path / "stage/d"


def test_the_root_of_a_context_is_open_to_every_user(tmp_path: Path) -> None:
    make_tree(tmp_path / "context", {"f": "", "d": None})
    for path in (tmp_path / "context", tmp_path / "context/d"):
        path.chmod(0o700)
    tree = SourceTree(path=tmp_path / "context")
    assert lend(tree, "/", directory=tmp_path).stat().st_mode & 0o777 == 0o755
    assert lend(tree, "/d", directory=tmp_path).stat().st_mode & 0o777 == 0o700
