from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builder.errors import BuilderError
from builder.state import State, remove_tree


@pytest.mark.parametrize(
    ("option", "env", "path"),
    [
        ("/s", {"HOME": "/h"}, "/s"),
        ("", {"XDG_DATA_HOME": "/x", "HOME": "/h"}, "/x/masu"),
        ("", {"HOME": "/h"}, "/h/.local/share/masu"),
    ],
)
def test_the_directory_is_the_options_or_xdgs(option: str, env: dict[str, str], path: str) -> None:
    assert State.at(option, env).root == Path(path)


def test_without_a_home_the_user_is_asked() -> None:
    with pytest.raises(BuilderError, match="HOME"):
        State.at("", {})


def test_a_working_directory_is_gone_afterwards(tmp_path: Path) -> None:
    with State(root=tmp_path).working_directory() as directory:
        (directory / "sub").mkdir()
        (directory / "sub/file").touch()
        (directory / "sub").chmod(0)
    assert list((tmp_path / "work").iterdir()) == []


def test_what_a_killed_build_left_is_removed_by_the_next(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib, signal; from builder.state import State\n"
        f"with State(root=pathlib.Path({str(tmp_path)!r})).working_directory() as d:\n"
        "    (d / 'file').touch(); print(d, flush=True); signal.pause()"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    left = Path(child.stdout.readline().strip())
    with State(root=tmp_path).working_directory():
        assert left.exists(), "a running build's directory must stay"
    child.send_signal(signal.SIGKILL)
    child.wait()
    with State(root=tmp_path).working_directory() as directory:
        assert not left.exists()
        assert sorted(os.listdir(tmp_path / "work")) == sorted([directory.name, f"{directory.name}.lock"])


def test_removing_a_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/link").symlink_to(tmp_path / "kept")
    remove_tree(tmp_path / "tree")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
