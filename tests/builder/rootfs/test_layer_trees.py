from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from builder.cancel import Cancel, Cancelled
from builder.image.digest import Digest
from builder.rootfs.layer_trees import UNUSED_DAYS, LayerTree, LayerTrees

CHAIN = Digest.of(b"a chain")


def make(directory: Path) -> Iterable[Iterable[str]]:
    (directory / "tree").mkdir()
    (directory / "tree/file").write_text("x")
    return [("b", "a")]


def no_making(directory: Path) -> Iterable[Iterable[str]]:
    raise AssertionError("it is there")


def fail_with(error: Exception) -> Callable[[Path], Iterable[Iterable[str]]]:
    def fail(directory: Path) -> Iterable[Iterable[str]]:
        raise error

    return fail


def only_name(directory: Path, suffix: str) -> Path:
    (path,) = directory.glob(f"*/*{suffix}")
    return path


def test_a_tree_is_made_once_with_its_links(tmp_path: Path) -> None:
    tree = LayerTrees(tmp_path).get(CHAIN, make)
    assert tree.links == (("a", "b"),)
    assert LayerTrees(tmp_path).get(CHAIN, no_making) == tree
    assert (tree.path / "file").read_text() == "x"


def test_what_could_not_be_made_leaves_nothing(tmp_path: Path) -> None:
    def fail(directory: Path) -> Iterable[Iterable[str]]:
        make(directory)
        raise OSError("disk full")

    trees = LayerTrees(tmp_path)
    with pytest.raises(OSError, match="disk full"):
        trees.get(CHAIN, fail)
    assert not trees.has(CHAIN)
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".lock"]
    assert trees.get(CHAIN, make).links


def test_what_a_killed_build_was_making_is_made_anew(tmp_path: Path) -> None:
    trees = LayerTrees(tmp_path)
    trees.get(CHAIN, make)
    trees.close()
    tree = only_name(tmp_path, "-1")
    tree.rename(tree.with_suffix(".new"))
    (tree.with_suffix(".new") / "tree/file").write_text("half")
    assert (LayerTrees(tmp_path).get(CHAIN, make).path / "file").read_text() == "x"
    assert not tree.with_suffix(".new").exists()


def test_one_who_wants_what_another_is_making_waits_for_it(tmp_path: Path) -> None:
    making, waiting, found = threading.Event(), threading.Event(), list[LayerTree]()

    def slowly(directory: Path) -> Iterable[Iterable[str]]:
        making.set()
        assert waiting.wait(10)
        return make(directory)

    maker = threading.Thread(target=lambda: found.append(LayerTrees(tmp_path).get(CHAIN, slowly)))
    maker.start()
    assert making.wait(10)
    LayerTrees(tmp_path, checkpoint=waiting.set).get(CHAIN, no_making)
    maker.join()
    assert (found[0].path / "file").exists()


def test_several_who_want_the_same_all_get_it_while_each_holds_it(tmp_path: Path) -> None:
    """A lock of ours keeps them from making it until all have seen that it isn't there; the first who does doesn't let go."""
    others = LayerTrees(tmp_path)
    with pytest.raises(KeyError):
        others.get(CHAIN, fail_with(KeyError()))
    lock = os.open(only_name(tmp_path, ".lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_SH)
    looks = [threading.Semaphore(0) for _ in range(3)]
    holders: list[LayerTrees] = []
    found: list[LayerTree] = []

    def want(look: threading.Semaphore) -> None:
        holders.append(LayerTrees(tmp_path, checkpoint=look.release))
        found.append(holders[-1].get(CHAIN, make))

    threads = [threading.Thread(target=want, args=(look,), daemon=True) for look in looks]
    for thread in threads:
        thread.start()
    assert all(look.acquire(timeout=60) for look in looks for _ in range(4))
    os.close(lock)
    for thread in threads:
        thread.join(timeout=30)
    assert len(found) == 3


def test_whoever_waits_can_be_cancelled(tmp_path: Path) -> None:
    cancel = Cancel()

    def slowly(directory: Path) -> Iterable[Iterable[str]]:
        cancel.set()
        with pytest.raises(Cancelled):
            LayerTrees(tmp_path, checkpoint=cancel.check).get(CHAIN, no_making)
        return make(directory)

    LayerTrees(tmp_path).get(CHAIN, slowly)


def test_what_nobody_has_used_for_days_is_removed_unless_it_is_in_use(tmp_path: Path) -> None:
    trees = LayerTrees(tmp_path)
    tree = trees.get(CHAIN, make)
    lock, old = only_name(tmp_path, ".lock"), (UNUSED_DAYS + 1) * 86400
    os.utime(lock, (lock.stat().st_mtime - old,) * 2)
    LayerTrees(tmp_path)
    assert tree.path.exists()
    trees.close()
    LayerTrees(tmp_path)
    assert list(tmp_path.glob("*/*")) == []


def test_trees_of_another_boot_are_removed(tmp_path: Path) -> None:
    trees = LayerTrees(tmp_path)
    trees.get(CHAIN, make)
    trees.close()
    boot = next(tmp_path.iterdir())
    boot.rename(tmp_path / "11111111-2222-3333-4444-555555555555")
    LayerTrees(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [boot.name]
    assert list(boot.iterdir()) == []
