from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from builder.sandbox.placing import Placing


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_text("the image's")
    (root / "cache/old").mkdir(parents=True)
    return root


@pytest.fixture
def placing(root: Path, tmp_path: Path) -> Placing:
    (tmp_path / "staging").mkdir()
    return Placing(root=str(root), staging=str(tmp_path / "staging"))


def bind(source: Path, target: str) -> dict[str, Any]:
    return {"kind": "bind", "source": str(source), "target": target}


def test_a_file_is_there_and_then_the_old_one(root: Path, placing: Placing) -> None:
    os.utime(root / "etc", ns=(5, 5))
    placing.put({"kind": "file", "target": "/etc/hosts", "data": "secret", "mode": 0o440, "uid": 3, "gid": 4})
    status = os.stat(root / "etc/hosts")
    assert (root / "etc/hosts").read_text() == "secret"
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o440, 3, 4)
    placing.remove()
    assert (root / "etc/hosts").read_text() == "the image's"
    assert os.stat(root / "etc").st_mtime_ns == 5
    assert list(Path(placing.staging).iterdir()) == []


def test_a_cache_comes_back_with_what_a_command_put_in(root: Path, tmp_path: Path, placing: Placing) -> None:
    (tmp_path / "cache").mkdir()
    placing.put(bind(tmp_path / "cache", "/cache"))
    assert list((root / "cache").iterdir()) == []
    (root / "cache/new").write_text("kept")
    placing.remove()
    assert (tmp_path / "cache/new").read_text() == "kept"
    assert [path.name for path in (root / "cache").iterdir()] == ["old"]


def test_links_on_the_way_are_followed_below_the_root_only(root: Path, tmp_path: Path, placing: Placing) -> None:
    (tmp_path / "source").write_text("placed")
    (root / "way").symlink_to("../../../etc")
    placing.put(bind(tmp_path / "source", "/way/hosts"))
    assert (root / "etc/hosts").read_text() == "placed"
    placing.remove()
    assert (root / "etc/hosts").read_text() == "the image's"


def test_one_mount_may_lie_in_another(root: Path, tmp_path: Path, placing: Placing) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "source").write_text("inner")
    placing.put(bind(tmp_path / "cache", "/cache"))
    placing.put(bind(tmp_path / "source", "/cache/deep/file"))
    assert (root / "cache/deep/file").read_text() == "inner"
    placing.remove()
    assert list((tmp_path / "cache").iterdir()) == []
    assert (tmp_path / "source").read_text() == "inner"


def test_a_command_may_remove_what_it_sees_and_where_it_lay(root: Path, tmp_path: Path, placing: Placing) -> None:
    (tmp_path / "cache").mkdir()
    placing.put(bind(tmp_path / "cache", "/cache/old"))
    (root / "cache/old").rmdir()
    (root / "cache").rmdir()
    placing.remove()
    assert not (root / "cache").exists()


def test_a_source_is_in_one_place_only(tmp_path: Path, placing: Placing) -> None:
    (tmp_path / "cache").mkdir()
    placing.put(bind(tmp_path / "cache", "/cache"))
    with pytest.raises(OSError, match=r"/other.*/cache"):
        placing.put(bind(tmp_path / "cache", "/other"))
    placing.remove()
    assert (tmp_path / "cache").is_dir()


def test_a_tmpfs_is_an_empty_directory_with_the_mode_of_the_one_below(root: Path, placing: Placing) -> None:
    (root / "cache").chmod(0o750)
    placing.put({"kind": "tmpfs", "target": "/cache", "size": 0, "new": False})
    assert list((root / "cache").iterdir()) == []
    assert stat.S_IMODE(os.stat(root / "cache").st_mode) == 0o750
    (root / "cache/x").write_text("forgotten")
    placing.remove()
    assert [path.name for path in (root / "cache").iterdir()] == ["old"]


def test_it_tells_what_it_has_touched(root: Path, tmp_path: Path, placing: Placing) -> None:
    (tmp_path / "source").write_text("x")
    placing.put(bind(tmp_path / "source", "/etc/hosts"))
    assert (placing.touched, placing.hidden) == ({str(root / "etc")}, {str(root / "etc/hosts")})
    placing.remove()
