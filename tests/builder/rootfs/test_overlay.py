"""Everything that an overlay makes is held against what a plain directory makes of the same."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from builder.image.blob import Blob
from builder.image.digest import Digest
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER
from builder.ops import Copy, FromContext, MakeDir
from builder.rootfs import Changes, Rootfs, SourceTree
from builder.rootfs.layer_trees import LayerTrees
from builder.rootfs.overlay import OverlayRootfs
from builder.rootfs.plain import PlainRootfs
from builder.sandbox import overlayfs
from tests.builder.rootfs.random_scripts import BEGIN, random_script
from tests.support.layers import EPOCH, entries, layer_of
from tests.support.overlays import require_overlays, with_own_mounts
from tests.support.tree import make_tar, make_tree, member, tree_dump


class Pair:
    """The same is done to an overlay and to a plain directory; their layers must be equal, whose names are returned."""

    def __init__(self, directory: Path) -> None:
        require_overlays(directory)
        self.overlay = OverlayRootfs(directory / "overlay", overlayfs)
        self.plain = PlainRootfs(directory / "plain")
        self._directory = directory

    def run(self, script: str) -> list[str]:
        return self.both(lambda rootfs: run(rootfs, script))

    def both(self, act: Callable[[Rootfs], Changes]) -> list[str]:
        one, other = (self.layer(rootfs, act(rootfs)) for rootfs in (self.overlay, self.plain))
        assert entries(one) == entries(other)
        assert one.diff_id == other.diff_id
        return [line.split()[0] for line in entries(one)]

    def layer(self, rootfs: Rootfs, changes: Changes) -> Layer:
        return rootfs.pack(changes, to=self._directory, media_type=OCI_LAYER, newest=EPOCH)


def run(rootfs: Rootfs, script: str) -> Changes:
    """As a RUN does it; what the commands of the script say, or whether they succeed, doesn't matter."""
    rootfs.snapshot()
    subprocess.run(["sh", "-c", script], cwd=rootfs.path, capture_output=True, check=False, timeout=60)
    return rootfs.diff()


@pytest.mark.parametrize("seed", range(25))
@with_own_mounts
def test_the_layers_of_random_scripts_are_those_of_a_plain_directory(seed: int, tmp_path: Path) -> None:
    random, pair = Random(seed), Pair(tmp_path)
    for script in (BEGIN, *(random_script(random) for _ in range(4))):
        pair.run(script)


@pytest.mark.parametrize(
    ("script", "names"),
    [
        ("mv a moved", [".wh.a", "moved", "moved/c", "moved/c/h", "moved/c/l", "moved/f", "moved/g", "moved/s"]),
        ("mv a moved; mv moved a", ["a"]),
        ("rm -r b/d; mkdir b/d", ["b", "b/d", "b/d/.wh.s", "g"]),
        ("rm -r b/d; echo > b/d", ["b", "b/d", "g"]),
        ("rm a/g; mkdir a/g", ["a", "a/g"]),
        ("echo more >> a/f", ["a", "a/c", "a/c/l", "a/f", "b", "b/l"]),
        ("rm a/f", ["a", "a/.wh.f", "a/c", "a/c/l", "b", "b/l"]),
        ("chmod 644 a/g", ["a", "a/g"]),
        (": >> a/g", []),
        ("touch a/c/new; rm a/c/new", ["a", "a/c"]),
        ("chmod 755 a", ["a"]),
        ("ln a/g new; rm new", ["a", "a/g"]),
        ("true", []),
    ],
)
@with_own_mounts
def test_a_command_gives_exactly_these_entries(script: str, names: list[str], tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run(BEGIN)
    assert [name for name in pair.run(script) if name != "."] == names


@with_own_mounts
def test_names_of_one_file_stay_that_over_several_commands(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    for script in (BEGIN, "echo 1 >> a/f", "mv b/l z", ": >> a/c/l", "echo 2 >> z", "rm a/f", "echo 3 >> a/c/l"):
        pair.run(script)
    assert (pair.overlay.path / "z").read_text() == "a/f\n1\n2\n3\n"
    assert os.lstat(pair.overlay.path / "z").st_nlink == 2


@with_own_mounts
def test_a_file_opened_for_writing_and_then_put_back_in_its_old_state_is_no_change(tmp_path: Path) -> None:
    """What docs/differences.md says that an overlay can't tell; in a plain directory it is a change."""
    pair = Pair(tmp_path)
    pair.run(BEGIN)
    script = "cp -p a/g k; cat k > a/g; touch -r k a/g; rm k"
    assert "a/g" not in run(pair.overlay, script).written
    assert "a/g" in run(pair.plain, script).written


@with_own_mounts
def test_a_directory_that_could_not_be_renamed_is_in_the_layer(tmp_path: Path) -> None:
    """The opposite case of docs/differences.md: overlayfs copies it up before it looks at the new name."""
    pair = Pair(tmp_path)
    pair.run(BEGIN)
    script = "mkdir new; echo > new/f; mv -T b/d new"
    assert run(pair.overlay, script).written == ("b", "b/d", "new", "new/f")
    assert run(pair.plain, script).written == ("new", "new/f")


@with_own_mounts
def test_copying_and_making_directories_give_the_layers_of_a_plain_directory(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    source = make_tree(tmp_path / "context", {"f": "new", "c/x": "y", "link": "-> f"})
    os.link(source / "f", source / "hard")
    copy = Copy(source=FromContext(), paths=("/",), destination="/a/")
    pair.run(BEGIN)
    assert "a/c/x" in pair.both(lambda rootfs: rootfs.copy(copy, SourceTree(path=source)))
    assert pair.both(lambda rootfs: rootfs.make_dir(MakeDir(path="/a/c/new/er"))) == ["a", "a/c", "a/c/new", "a/c/new/er"]
    assert pair.run("echo >> a/hard; echo >> b/l") == ["a", "a/c", "a/c/l", "a/f", "a/hard", "b", "b/l"]


BIND = f"{sys.executable} -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "


@with_own_mounts
def test_a_socket_is_in_no_layer_neither_made_nor_deleted(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    assert pair.run(f"mkdir d; {BIND} d/s") == ["d"]
    assert all((rootfs.path / "d/s").is_socket() for rootfs in (pair.overlay, pair.plain))
    assert pair.run("rm d/s") == ["d"]


@with_own_mounts
def test_what_a_socket_replaces_is_deleted(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run("mkdir -p d/t; touch d/s d/t/x")
    assert pair.run(f"rm -r d/*; {BIND} d/s; {BIND} d/t") == ["d", "d/.wh.s", "d/.wh.t"]
    assert pair.run("rm d/s; echo > d/s") == ["d", "d/s"]


@with_own_mounts
def test_an_empty_root_is_open_to_all_whatever_the_umask(tmp_path: Path) -> None:
    require_overlays(tmp_path)
    before = os.umask(0o077)
    try:
        rootfs = OverlayRootfs(tmp_path / "stage", overlayfs)
    finally:
        os.umask(before)
    assert rootfs.path.stat().st_mode & 0o7777 == 0o755


@with_own_mounts
def test_mount_points_are_in_no_layer(tmp_path: Path) -> None:
    require_overlays(tmp_path)
    rootfs = OverlayRootfs(tmp_path / "stage", overlayfs)
    for script, written in ((":", ()), ("mkdir etc; echo > etc/passwd", ("etc", "etc/passwd")), (":", ())):
        with rootfs.mountpoints({"/proc": True, "/etc/hosts": False} if script == ":" else {"/proc": True}):
            assert run(rootfs, script) == Changes(written=written)
    assert os.listdir(rootfs.path) == ["etc"]
    assert os.listdir(rootfs.path / "etc") == ["passwd"]


LOWER = make_tar(
    member("./", type=tarfile.DIRTYPE, mode=0o750),
    member("d", type=tarfile.DIRTYPE, mode=0o2711, uid=5, mtime=7),
    (member("d/one"), b"1"),
    member("d/two", type=tarfile.LNKTYPE, linkname="d/one"),
    (member("gone/deep/file"), b"x"),
    (member("emptied/file"), b"x"),
    member("link", type=tarfile.SYMTYPE, linkname="d"),
)
UPPER = make_tar(
    (member("d/new"), b"n"),  # without an entry for d
    (member("link/through"), b"t"),
    member("three", type=tarfile.LNKTYPE, linkname="d/two"),  # a hard link across layers
    member(".wh.gone"),
    (member("emptied/kept"), b"k"),
    member("emptied/.wh..wh..opq"),
)


@with_own_mounts
def test_layers_are_laid_over_one_another_as_in_a_plain_directory(tmp_path: Path) -> None:
    require_overlays(tmp_path)
    layers = [layer_of(LOWER), layer_of(UPPER)]
    plain = PlainRootfs(tmp_path / "plain")
    for layer in layers:
        with layer.blob.open() as stream:
            plain.unpack(stream)
    overlay = OverlayRootfs.of(tmp_path / "overlay", overlayfs, layers, LayerTrees(tmp_path / "trees"))
    assert tree_dump(overlay.path, times=True) == tree_dump(plain.path, times=True)
    assert overlay.path.stat().st_mode == plain.path.stat().st_mode
    (overlay.path / "d/one").write_text("changed")
    assert (overlay.path / "three").read_text() == "changed"


@with_own_mounts
def test_a_layer_that_is_unpacked_is_not_read_again(tmp_path: Path) -> None:
    require_overlays(tmp_path)
    trees = LayerTrees(tmp_path / "trees")
    OverlayRootfs.of(tmp_path / "first", overlayfs, [layer_of(LOWER)], trees).remove()
    unreadable = Layer(blob=Blob(descriptor=layer_of(LOWER).blob.descriptor, open=pytest.fail), diff_id=Digest.of(LOWER))
    again = OverlayRootfs.of(tmp_path / "second", overlayfs, [unreadable], trees)
    assert (again.path / "d/one").read_text() == "1"


@with_own_mounts
def test_children_begin_with_the_files_of_their_parent_and_go_their_own_ways(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run(BEGIN)
    children = [pair.overlay.child(tmp_path / name) for name in ("one", "other")]
    pair.overlay.remove()
    assert run(children[0], "echo one > a/g").written == ("a/g",)
    assert run(children[1], "rm a/g").deleted == ("a/g",)
    assert (children[0].path / "a/g").read_text() == "one\n"
    assert not (children[1].path / "a/g").exists()


@with_own_mounts
def test_nothing_is_left_of_a_rootfs_that_was_removed(tmp_path: Path) -> None:
    pair = Pair(tmp_path)
    pair.run(BEGIN)
    pair.overlay.remove()
    assert not (tmp_path / "overlay").exists()
    assert str(tmp_path) not in Path("/proc/thread-self/mountinfo").read_text()
