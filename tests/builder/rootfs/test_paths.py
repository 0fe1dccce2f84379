from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from builder.rootfs import paths
from tests.support.tree import make_tree, open_below, tree_dump

TREE = {
    "usr/lib/x": "",
    "lib": "-> usr/lib",
    "abs": "-> /usr/lib",
    "up": "-> ../../../usr",
    "loop": "-> loop",
    "dangling": "-> /nowhere/at/all",
    "usr/back": "-> ../lib",
    "file": "",
}

CASES = [
    ("usr/lib/x", True, "usr/lib/x"),
    ("/usr//lib/./x", True, "usr/lib/x"),
    ("lib/x", True, "usr/lib/x"),
    ("abs/x", True, "usr/lib/x"),
    ("up/lib/x", True, "usr/lib/x"),
    ("../../usr", True, "usr"),
    ("usr/back/x", True, "usr/lib/x"),
    ("lib/../..", True, ""),
    ("lib", True, "usr/lib"),
    ("lib", False, "lib"),
    ("usr/lib/missing", True, "usr/lib/missing"),
    ("", True, ""),
]


@pytest.mark.parametrize(("path", "follow", "found"), CASES)
def test_links_are_followed_inside_the_root(tmp_path: Path, path: str, follow: bool, found: str) -> None:
    make_tree(tmp_path / "root", TREE)
    with paths.opened_root(tmp_path / "root") as fd, paths.find(fd, path, follow=follow) as spot:
        assert spot.path == found


@pytest.mark.parametrize(("path", "number"), [("loop/x", errno.ELOOP), ("file/x", errno.ENOTDIR), ("no/x", errno.ENOENT)])
def test_what_cannot_be_resolved_is_an_os_error(tmp_path: Path, path: str, number: int) -> None:
    make_tree(tmp_path / "root", TREE)
    with paths.opened_root(tmp_path / "root") as fd, pytest.raises(OSError) as caught:
        paths.find(fd, path)
    assert caught.value.errno == number


def test_missing_directories_are_made_behind_a_dangling_link(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root", TREE)
    with paths.opened_root(root) as fd:
        opened, found = paths.open_dir(fd, "dangling/here", make=lambda parent, name, path: os.mkdir(name, dir_fd=parent))
        os.close(opened)
    assert found == "nowhere/at/all/here"
    assert (root / "nowhere/at/all/here").is_dir()


def test_forty_links_are_followed_and_not_one_more(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root", {"l0": "-> end", "end/x": "", **{f"l{n}": f"-> l{n - 1}" for n in range(1, 41)}})
    with paths.opened_root(root) as fd:
        with paths.find(fd, "l39/x") as spot:
            assert spot.path == "end/x"
        with pytest.raises(OSError, match="symbolic links"):
            paths.find(fd, "l40/x")


def test_a_link_is_no_directory_for_open_strict(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root", TREE)
    with paths.opened_root(root) as fd, pytest.raises(NotADirectoryError):
        paths.open_strict(fd, "lib")


def test_descriptors_are_not_leaked(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "root", TREE)
    with paths.opened_root(root) as fd:
        for path, follow, _ in CASES:
            with paths.find(fd, path, follow=follow):
                pass
        for path in ("loop/x", "file/x", "no/x"):
            with pytest.raises(OSError):
                paths.find(fd, path)
        assert open_below(root) == [root]
    assert open_below(root) == []


def test_a_tree_deeper_than_path_max_is_removed(tmp_path: Path) -> None:
    with paths.opened_root(tmp_path) as top:
        fd = os.dup(top)
        for _ in range(1200):
            os.mkdir("directory", dir_fd=fd)
            deeper = os.open("directory", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = deeper
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.close(fd)
        assert paths.remove(top, "directory")
    assert tree_dump(tmp_path) == {}


def test_removing_follows_no_link(tmp_path: Path) -> None:
    make_tree(tmp_path, {"root/link": "-> ../outside", "outside/kept": ""})
    with paths.opened_root(tmp_path) as fd:
        assert paths.remove(fd, "root")
        assert not paths.remove(fd, "root")
    assert list(tree_dump(tmp_path)) == ["/outside/", "/outside/kept"]
