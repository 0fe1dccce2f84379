from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.errors import RootfsError
from builder.rootfs.mountpoints import mountpoints


def test_what_is_missing_is_made_and_taken_away(tmp_path: Path) -> None:
    with mountpoints(tmp_path, {"/proc": True, "/etc/hosts": False}) as found:
        assert found.places == {"/proc": "/proc", "/etc/hosts": "/etc/hosts"}
        assert set(found.made) == {"proc", "etc", "etc/hosts"}
        assert (tmp_path / "proc").is_dir()
        assert (tmp_path / "etc/hosts").read_bytes() == b""
    assert list(tmp_path.iterdir()) == []


def test_what_exists_stays(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("mine")
    with mountpoints(tmp_path, {"/hosts": False}):
        pass
    assert (tmp_path / "hosts").read_text() == "mine"


def test_the_parents_times_are_as_before(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    before = (tmp_path / "etc").stat()
    with mountpoints(tmp_path, {"/etc/hosts": False}):
        assert (tmp_path / "etc").stat().st_mtime_ns != before.st_mtime_ns
    assert (tmp_path / "etc").stat().st_mtime_ns == before.st_mtime_ns


def test_a_parent_that_a_command_changes_keeps_the_time_of_that(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    with mountpoints(tmp_path, {"/etc/hosts": False, "/etc/resolv.conf": False, "/proc": True}):
        os.utime(tmp_path / "etc", ns=(1, 2))
    assert (tmp_path / "etc").stat().st_mtime_ns == 2


@pytest.mark.parametrize("target", ["../run/resolv.conf", "/run/resolv.conf", "../../../../run/resolv.conf"])
def test_a_link_is_followed_below_the_root_only(tmp_path: Path, target: str) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/resolv.conf").symlink_to(target)
    with mountpoints(root, {"/etc/resolv.conf": False}) as found:
        assert found.places == {"/etc/resolv.conf": "/run/resolv.conf"}
        assert (root / "run/resolv.conf").exists()
    assert not (root / "run").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_what_a_command_left_in_a_directory_made_here_stays(tmp_path: Path) -> None:
    with mountpoints(tmp_path, {"/etc/hosts": False}):
        (tmp_path / "etc/passwd").write_text("x")
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["passwd"]


def test_a_directory_made_here_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with mountpoints(tmp_path, {"/etc/hosts": False}):
            (tmp_path / "etc/passwd").write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "etc").stat().st_mode & 0o7777 == 0o755


def test_they_go_when_the_command_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyError), mountpoints(tmp_path, {"/dev": True}):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("path", "directory"), [("/file", True), ("/folder", False), ("/file/below", False), ("/loop", False)])
def test_something_else_in_its_place_is_an_error(tmp_path: Path, path: str, directory: bool) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RootfsError, match=path), mountpoints(tmp_path, {path: directory}):
        pass
