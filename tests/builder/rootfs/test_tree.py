from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.rootfs.plain import PlainRootfs
from builder.rootfs.tree import Changes, Entry, diff
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tree

TREE: dict[str, str | bytes | None] = {"d/e/f": "1", "d/g": "2", "h": "3", "s": "-> h"}


def _replace(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _touch_and_delete(path: Path) -> None:
    path.touch()
    path.unlink()


def _to_file(path: Path) -> None:
    (path / "f").unlink()
    path.rmdir()
    path.write_text("")


def _rewrite_with_old_time(path: Path) -> None:
    status = path.stat()
    path.write_text("9")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: list[tuple[str, Callable[[Path], object], Changes]] = [
    ("nothing", lambda root: None, Changes()),
    ("reading", lambda root: (root / "h").read_bytes(), Changes()),
    ("a new file", lambda root: (root / "d/n").touch(), Changes(written=("d", "d/n"))),
    ("a new file in the root", lambda root: (root / "n").touch(), Changes(written=("n",))),
    ("the same size and time", lambda root: _rewrite_with_old_time(root / "h"), Changes(written=("h",))),
    ("mode", lambda root: (root / "h").chmod(0o600), Changes(written=("h",))),
    ("a directory's mode", lambda root: (root / "d").chmod(0o700), Changes(written=("d",))),
    ("the root's mode", lambda root: root.chmod(0o700), Changes(written=("",))),
    ("an attribute", lambda root: os.setxattr(root / "h", "user.a", b"b"), Changes(written=("h",))),
    ("a deleted file", lambda root: (root / "d/g").unlink(), Changes(written=("d",), deleted=("d/g",))),
    ("a deleted tree", lambda root: shutil.rmtree(root / "d/e"), Changes(written=("d",), deleted=("d/e",))),
    ("a file made a directory", lambda root: _replace(root / "h"), Changes(written=("h",))),
    ("a directory made a file", lambda root: _to_file(root / "d/e"), Changes(written=("d", "d/e"))),
    ("a link", lambda root: os.link(root / "h", root / "l"), Changes(written=("h", "l"))),
    ("made and deleted", lambda root: _touch_and_delete(root / "d/n"), Changes(written=("d",))),
    ("a rename", lambda root: (root / "d").rename(root / "x"), Changes(written=("x", "x/e", "x/e/f", "x/g"), deleted=("d",))),
]


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in CHANGES], ids=[case[0] for case in CHANGES])
def test_a_change_is_found(rootfs: PlainRootfs, change: Callable[[Path], object], expected: Changes) -> None:
    make_tree(rootfs.path, TREE)
    rootfs.snapshot()
    change(rootfs.path)
    assert rootfs.diff() == expected


@needs_root
def test_an_owner_is_a_change(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, TREE)
    rootfs.snapshot()
    os.chown(rootfs.path / "s", 5, 6, follow_symlinks=False)
    assert rootfs.diff() == Changes(written=("s",))


def test_no_change_right_after_the_snapshot_escapes(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, TREE)
    for turn in range(100):
        (rootfs.path / "h").write_text(str(turn % 10))
        rootfs.snapshot()
        with open(rootfs.path / "h", "r+") as file:
            file.write(str(turn % 7))
        assert rootfs.diff() == Changes(written=("h",))


def test_each_diff_is_the_base_of_the_next(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, TREE)
    for name in ("one", "two"):
        rootfs.snapshot()
        (rootfs.path / name).touch()
        assert rootfs.diff() == Changes(written=(name,))


def test_the_snapshot_leaves_no_trace(rootfs: PlainRootfs) -> None:
    before = sorted(rootfs.path.parent.iterdir())
    rootfs.snapshot()
    assert sorted(rootfs.path.parent.iterdir()) == before


def test_a_sandbox_may_excuse_what_it_has_renamed(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, TREE)
    rootfs.snapshot()
    for name in ("d", "h", "s"):
        (rootfs.path / name).rename(rootfs.path.parent / name)
        (rootfs.path.parent / name).rename(rootfs.path / name)
    (rootfs.path / "h").write_text("longer")
    assert rootfs.diff(ignoring_ctime={"d", "h", "s"}) == Changes(written=("h",))


def test_names_are_any_bytes(rootfs: PlainRootfs) -> None:
    rootfs.snapshot()
    (rootfs.path / os.fsdecode(b"\xff\n ")).touch()
    assert rootfs.diff() == Changes(written=(os.fsdecode(b"\xff\n "),))


def test_only_the_topmost_deleted_path_is_told() -> None:
    directory, file = Entry(0, 1, 0, 0o40755, 0, 0), Entry(7, 1, 0, 0o100644, 0, 0)
    old = {"": directory, "a": directory, "a/b": directory, "a/b/c": file}
    assert diff(old, {"": directory}) == Changes(deleted=("a",))
    assert diff(old, {"": directory, "a": file}) == Changes(written=("a",))
