from __future__ import annotations

import errno
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from builder.rootfs import Changes
from builder.rootfs.plain import PlainRootfs
from tests.support.tree import make_tar, member

WANTED = {"/proc": True, "/etc/resolv.conf": False, "/etc/hosts": False}


@pytest.fixture
def rootfs(tmp_path: Path) -> PlainRootfs:
    rootfs = PlainRootfs(tmp_path / "root")
    (rootfs.path / "etc").mkdir()
    (rootfs.path / "etc/hosts").write_text("own")
    return rootfs


def run(rootfs: PlainRootfs, *written: str) -> Changes:
    """A RUN that writes these files."""
    with rootfs.mountpoints(WANTED):
        rootfs.snapshot()
        for path in written:
            (rootfs.path / path).write_text("x")
        return rootfs.diff()


def test_mount_points_are_in_no_layer(rootfs: PlainRootfs) -> None:
    assert run(rootfs) == Changes()
    assert run(rootfs) == Changes()


def test_each_run_has_its_own_changes_only(rootfs: PlainRootfs) -> None:
    assert run(rootfs, "a", "etc/b") == Changes(written=("a", "etc", "etc/b"))
    assert run(rootfs, "a") == Changes(written=("a",))
    assert run(rootfs) == Changes()


def test_what_happens_between_two_runs_belongs_to_neither(rootfs: PlainRootfs, tmp_path: Path) -> None:
    run(rootfs, "a")
    (tmp_path / "context").mkdir()
    (rootfs.path / "from-copy").write_text("x")
    rootfs.unpack((tmp_path / "empty.tar").open("w+b"))
    assert run(rootfs, "b") == Changes(written=("b",))


def test_a_directory_made_for_a_mount_point_counts_once_a_command_has_used_it(tmp_path: Path) -> None:
    rootfs = PlainRootfs(tmp_path / "root")
    assert run(rootfs, "etc/passwd") == Changes(written=("etc", "etc/passwd"))
    assert run(rootfs) == Changes()
    assert [path.name for path in rootfs.path.iterdir()] == ["etc"]


def test_an_outline_has_more_names_than_its_one_file_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def limited(source: str, target: str, **where: Any) -> None:
        """As on ext4, where a file has 65000 names at most."""
        if os.stat(source, dir_fd=where.get("src_dir_fd")).st_nlink >= 3:
            raise OSError(errno.EMLINK, os.strerror(errno.EMLINK))
        link(source, target, **where)

    monkeypatch.setattr(os, "link", limited)
    rootfs = PlainRootfs(tmp_path / "root", is_outline=True)
    links = (member(name, type=tarfile.LNKTYPE, linkname="a") for name in "efgh")
    rootfs.unpack(io.BytesIO(make_tar(*map(member, "abcd"), *links)))
    assert sorted(os.listdir(rootfs.path)) == list("abcdefgh")
