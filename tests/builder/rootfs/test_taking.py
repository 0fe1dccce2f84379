"""What is taken out of a tree is what a copy of it would have been: files, times, layers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from builder.image.media import OCI_LAYER
from builder.ops import Copy, FromStage
from builder.rootfs import Changes, Rootfs
from builder.rootfs.overlay import OverlayRootfs
from builder.rootfs.plain import PlainRootfs
from builder.sandbox import overlayfs
from tests.builder.rootfs.conftest import needs_root
from tests.builder.rootfs.random_scripts import BEGIN, random_script
from tests.support.overlays import require_overlays, with_own_mounts
from tests.support.tree import tree_dump

pytestmark = needs_root

KINDS = [
    pytest.param(source, target, id=f"{source}-to-{target}") for source in ("plain", "overlay") for target in ("plain", "overlay")
]
TREE = "mkdir -p m/a/deep m/b m/c; echo 1 > m/a/1; echo 2 > m/a/deep/2; echo 3 > m/b/3; ln -s 3 m/b/l; touch -d @7 m/a/deep m/b"


def made(kind: str, directory: Path) -> Rootfs:
    if kind == "plain":
        directory.mkdir()
        return PlainRootfs(directory / "root")
    require_overlays(directory.parent)
    return OverlayRootfs(directory, overlayfs)


def run(rootfs: Rootfs, script: str) -> None:
    """As a RUN does whose changes nobody asks for."""
    subprocess.run(["sh", "-c", script], cwd=rootfs.path, capture_output=True, check=False, timeout=60)


def pushed(rootfs: Rootfs, script: str, blobs: Path) -> None:
    """As a RUN does whose changes become a layer."""
    rootfs.snapshot()
    run(rootfs, script)
    rootfs.pack(rootfs.diff(), to=blobs, media_type=OCI_LAYER)


class Two:
    """The same is copied from one source to one target, and taken from it to another."""

    def __init__(self, source: str, target: str, directory: Path, blobs: Path) -> None:
        self.source = made(source, directory / "source")
        self.copied, self.taken = made(target, directory / "copied"), made(target, directory / "taken")
        self._blobs = blobs

    def copy(self, path: str, *, to: str, chmod: str | None = None) -> None:
        op = Copy(source=FromStage(index=0), paths=(path,), destination=to, chmod=chmod)
        copied = self.copied.copy(op, self.source.as_source())
        taken = self.taken.copy(op, self.source.as_source(for_good=True))
        assert copied == taken
        assert tree_dump(self.copied.path, times=True) == tree_dump(self.taken.path, times=True)
        assert self.packed(self.copied, copied) == self.packed(self.taken, taken)

    def packed(self, rootfs: Rootfs, changes: Changes) -> str:
        return str(rootfs.pack(changes, to=self._blobs, media_type=OCI_LAYER).diff_id)

    def close(self) -> None:
        for rootfs in (self.source, self.copied, self.taken):
            rootfs.remove()


@pytest.mark.parametrize(("source", "target"), KINDS)
@pytest.mark.parametrize("seed", range(8))
@with_own_mounts
def test_random_trees(source: str, target: str, seed: int, tmp_path: Path, blobs: Path) -> None:
    random, two = Random(seed), Two(source, target, tmp_path, blobs)
    for script in (BEGIN, *(random_script(random) for _ in range(3)), f"mkdir -p a b; cp -r a b/{seed}; {TREE}"):
        if seed % 2:
            pushed(two.source, script, blobs)
        else:
            run(two.source, script)
    two.copy("/", to="/")
    two.close()


@pytest.mark.parametrize(("source", "target"), KINDS)
@with_own_mounts
def test_whole_directories_leave_the_source(source: str, target: str, tmp_path: Path, blobs: Path) -> None:
    two = Two(source, target, tmp_path, blobs)
    pushed(two.source, f"mkdir app; {TREE}; mv m app", blobs)
    file = os.stat(two.source.path / "app/m/b/3").st_ino
    two.copy("/app/m", to="/m")
    assert os.stat(two.taken.path / "m/b/3").st_ino == file
    two.close()


SCRIPTS = {
    "a file with a name elsewhere": "ln m/a/1 other",
    "a file with two names": "ln m/a/1 m/a/3",
    "an attribute that layers don't keep": "setfattr -n trusted.mine -v 1 m/a/1",
    "one of a directory": "setfattr -n trusted.mine -v 1 m/a",
    "a socket": f"{sys.executable} -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"m/a/socket\")'",
    "a list of who may": "setfacl -m u:5:r m/a/1 || setfattr -n trusted.mine -v 1 m/a/1",
}


@pytest.mark.parametrize("kind", ["plain", "overlay"])
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@with_own_mounts
def test_what_a_copy_would_change_is_copied(kind: str, script: str, tmp_path: Path, blobs: Path) -> None:
    two = Two(kind, kind, tmp_path, blobs)
    run(two.source, f"{TREE}; {script}")
    two.copy("/m", to="/")
    assert left(two.source) == {"a"}
    two.close()


@pytest.mark.parametrize(
    "script",
    ["chmod 600 m/a/1", "echo more >> m/a/1", "rm m/a/1", "touch m/a/new", "mv m/a m/d; mkdir m/a", "mv m n; mv n m", ":"],
)
@with_own_mounts
def test_what_lies_in_several_layers_is_copied(script: str, tmp_path: Path, blobs: Path) -> None:
    two = Two("overlay", "overlay", tmp_path, blobs)
    pushed(two.source, TREE, blobs)
    pushed(two.source, script, blobs)
    two.copy("/m", to="/")
    two.close()


@with_own_mounts
def test_what_is_there_already_is_merged_with(tmp_path: Path, blobs: Path) -> None:
    two = Two("overlay", "overlay", tmp_path, blobs)
    run(two.source, TREE)
    for target in (two.copied, two.taken):
        pushed(target, "mkdir -p m/a/deep; echo old > m/a/old; echo old > m/a/1; touch -d @9 m/a m/a/old m/a/1 m", blobs)
    two.copy("/m", to="/m")
    two.close()


@pytest.mark.parametrize("kind", ["plain", "overlay"])
@with_own_mounts
def test_a_mode_of_its_own_is_for_copies(kind: str, tmp_path: Path, blobs: Path) -> None:
    two = Two(kind, kind, tmp_path, blobs)
    run(two.source, TREE)
    two.copy("/m", to="/", chmod="700")
    two.close()


def left(source: Rootfs) -> set[str]:
    """Directories whose files are still there."""
    is_overlay = isinstance(source, OverlayRootfs)  # closed by now
    found = next(source.path.parent.glob("*/upper/m")) if is_overlay else source.path / "m"
    return {entry.name for entry in found.iterdir()} if found.is_dir() else set()
