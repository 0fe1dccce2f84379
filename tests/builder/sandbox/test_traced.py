"""The driver of `traced`, as far as it goes without masu's image; tests/containers builds with it in containers."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from builder.errors import SandboxError
from builder.sandbox import SANDBOXES, Bind, File, Process, Tmpfs, View, choose
from builder.sandbox.child import run_child
from builder.sandbox.own import own_directory
from builder.sandbox.traced import Traced, _Shown


@pytest.fixture
def shown(tmp_path: Path) -> _Shown:
    for name in ("root", "staging"):
        (tmp_path / name).mkdir()
    return _Shown(root=tmp_path / "root", staging=tmp_path / "staging")


def bound(shown: _Shown) -> dict[str, Path]:
    """Place → what PRoot is told to show there."""
    pairs = (argument.split(":", 1) for argument in shown.arguments if argument != "-b")
    return {place: Path(source) for source, place in pairs}


def test_it_is_tried_before_chroot_and_after_what_needs_rights() -> None:
    assert list(SANDBOXES) == ["namespaces", "takeover", "traced", "chroot"]


def test_outside_of_masus_image_it_says_so(tmp_path: Path) -> None:
    if own_directory() is not None:
        pytest.skip("SKIPPED: this is masu's image")
    with pytest.raises(SandboxError, match="only in masu's own image"):
        choose("traced", tmp_path)


@pytest.mark.parametrize(
    "process",
    [
        Process(argv=("true",), env={}, cwd="/", isolate_network=True),
        Process(argv=("true",), env={}, cwd="/", insecure=True),
    ],
    ids=["network", "insecure"],
)
def test_rights_that_nobody_has_are_refused(tmp_path: Path, process: Process) -> None:
    with pytest.raises(SandboxError, match="can't be had in the traced sandbox"):
        Traced(tmp_path).run(process, View(root=tmp_path, places={}), output=lambda _: None)


def test_a_secret_has_its_owner_and_is_gone_afterwards(shown: _Shown) -> None:
    shown.mount(File(target="/run/secrets/x", data=b"secret", mode=0o440, uid=5, gid=6), "/run/secrets/x")
    path = bound(shown)["/run/secrets/x"]
    status = path.stat()
    assert (path.read_bytes(), stat.S_IMODE(status.st_mode)) == (b"secret", 0o400)
    assert shown.given == {(status.st_dev, status.st_ino): (stat.S_IFREG | 0o440, 5, 6, 0)}
    shown.remove()
    assert not path.exists()


def test_a_tmpfs_has_the_mode_of_what_it_hides(shown: _Shown) -> None:
    (shown.root / "hidden").mkdir(mode=0o750)
    shown.mount(Tmpfs(target="/hidden"), "/hidden")
    shown.mount(Tmpfs(target="/new", new=True), "/new")
    assert [stat.S_IMODE(bound(shown)[place].stat().st_mode) for place in ("/hidden", "/new")] == [0o750, 0o1777]


def test_a_bound_directory_belongs_to_whom_the_mount_says(shown: _Shown, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    shown.mount(Bind(source=tmp_path / "cache", target="/cache", owner=(5, 6)), "/cache")
    assert [truth[1:3] for truth in shown.given.values()] == [(5, 6)]
    assert str(tmp_path / "cache") in shown.trees


def test_the_processor_to_stay_on_is_one_of_ours_or_none() -> None:
    _, answer = run_child("processor", {}, output=lambda _: None)
    assert answer["processor"] in {None, *os.sched_getaffinity(0)}
