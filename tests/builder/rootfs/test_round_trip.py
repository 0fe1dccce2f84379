"""Whatever a tree has become, the layers say it: random trees and changes, packed, applied elsewhere, compared."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from builder.image.layer import Layer
from builder.rootfs import paths
from builder.rootfs.plain import PlainRootfs
from tests.support.tree import tree_dump

NAMES = st.sampled_from(["a", "b", "c d", "ü", "\udcff", "x\ny", "n" * 120])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ACTION = st.tuples(
    st.sampled_from(["file", "dir", "link", "symlink", "fifo", "mode", "remove", "xattr", "rewrite", "rename", "own"]),
    PATHS,
    PATHS,
    st.integers(0, 0o7777),
)
SCRIPT = st.lists(ACTION, max_size=12)


@given(before=SCRIPT, after=SCRIPT)
@settings(max_examples=200, deadline=None)
def test_layers_rebuild_the_tree(before: list[tuple[str, str, str, int]], after: list[tuple[str, str, str, int]]) -> None:
    with _directory() as directory:
        rootfs = PlainRootfs(directory / "rootfs")
        layers = []
        for script in (before, after):
            rootfs.snapshot()
            for action in script:
                _do(rootfs.path, *action)
            layers.append(rootfs.pack(rootfs.diff(), to=directory))
        assert _dump(_unpacked(directory / "copy", layers)) == _dump(rootfs.path)


def _unpacked(path: Path, layers: list[Layer]) -> Path:
    rootfs = PlainRootfs(path)
    for layer in layers:
        with layer.blob.open() as stream:
            rootfs.unpack(stream, diff_id=layer.diff_id)
    return path


def _dump(path: Path) -> dict[str, str]:
    return {"/": f"{path.stat().st_mode:o}"} | tree_dump(path, times=True)


@contextmanager
def _directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp())
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _do(root: Path, action: str, first: str, second: str, number: int) -> None:
    """One random change; what can't be done isn't."""
    path, other = root / first, root / second
    try:
        if action == "file":
            if not path.is_fifo():  # nobody would read it
                path.write_bytes(b"%d" % number * (number % 50))
        elif action == "dir":
            path.mkdir()
        elif action == "link":
            os.link(path, other, follow_symlinks=False)
        elif action == "symlink":
            path.symlink_to(second)
        elif action == "fifo":
            os.mkfifo(path)
        elif action == "mode":
            if not path.is_symlink():
                path.chmod(number | (0o700 if os.geteuid() else 0))
        elif action == "remove":
            with paths.opened_root(root) as fd, paths.find(fd, first, follow=False) as spot:
                paths.remove(spot.dir_fd, spot.name)
        elif action == "xattr":
            if not path.is_symlink():
                os.setxattr(path, "user.x", b"%d" % number)
        elif action == "rewrite":
            if path.is_file():
                times = path.stat()
                with open(path, "r+b") as file:
                    file.write(b"%d" % (number % 10))
                os.utime(path, ns=(0, times.st_mtime_ns))
        elif action == "own":
            if not os.geteuid():
                os.chown(path, number, number * 1000, follow_symlinks=False)
        else:
            path.rename(other)
    except (OSError, ValueError):
        pass


def test_an_archive_of_gnu_tar_and_ours_say_the_same(tmp_path: Path) -> None:
    rootfs = PlainRootfs(tmp_path / "rootfs")
    rootfs.snapshot()
    for index, name in enumerate(["a", "b/c", "b/ü", "d" * 130, "e/f/g"]):
        (rootfs.path / name).parent.mkdir(parents=True, exist_ok=True)
        (rootfs.path / name).write_bytes(bytes([index]) * 1000 * index)
    layer = rootfs.pack(rootfs.diff(), to=tmp_path)
    (tmp_path / "gnu").mkdir()
    subprocess.run(["tar", "-xzf", str(layer.blob.path), "-C", tmp_path / "gnu"], check=True)
    assert tree_dump(tmp_path / "gnu", times=True) == tree_dump(rootfs.path, times=True)
