"""What the sandboxes that have no namespaces are made of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from builder.sandbox.command import Watch
from builder.sandbox.concealed import concealed, exposed
from builder.sandbox.kept import Kept, mount_points
from builder.sandbox.own import own_directory
from tests.support.masu import ROOT

_ADOPT = """\
import os, sys
from builder.sandbox import descendants
descendants.adopt()
child = os.fork()
if child == 0:
    descendants.unblock()
    os.execvp("sh", ["sh", "-c", sys.argv[1]])
status = descendants.wait_for(child)
descendants.end_all()
print("stopped" if status is None else os.waitstatus_to_exitcode(status))
"""


def test_kept_paths_are_the_outermost_and_the_ways_lead_there() -> None:
    kept = Kept.of(["/proc", "/proc/sys", "/etc/hosts", "/run/secrets/a", "/"])
    assert kept.paths == {"/proc", "/etc/hosts", "/run/secrets/a"}
    assert kept.ways == {"/", "/etc", "/run", "/run/secrets"}


def test_mount_points_are_read_with_their_odd_names() -> None:
    assert "/proc" in mount_points().values()
    assert "/" in mount_points().values()


def test_a_file_is_gone_while_it_is_concealed(tmp_path: Path) -> None:
    secret = tmp_path / "config.json"
    secret.write_text("token")
    secret.chmod(0o640)
    os.utime(secret, ns=(7, 8))
    before = os.stat(secret)
    with concealed([str(secret), str(tmp_path / "missing")]):
        assert os.listdir(tmp_path) == []
    after = os.stat(secret)
    assert secret.read_text() == "token"
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (before.st_mode, before.st_uid, before.st_mtime_ns)


def test_a_file_comes_back_after_an_error_too(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("token")
    with pytest.raises(KeyError), concealed([str(tmp_path / "token")]):
        raise KeyError
    assert (tmp_path / "token").read_text() == "token"


def test_a_file_on_a_volume_stays_and_is_told_of(tmp_path: Path) -> None:
    on_volume = Path("/dev/shm") / f"masu-test-{os.getpid()}"
    if not os.path.ismount("/dev/shm"):
        pytest.skip("/dev/shm is no mount point here")
    on_volume.write_text("token")
    try:
        (tmp_path / "link").symlink_to(on_volume)
        assert exposed([str(tmp_path / "link"), str(tmp_path / "missing")]) == [str(tmp_path / "link")]
        with concealed([str(tmp_path / "link")]):
            assert on_volume.read_text() == "token"
    finally:
        on_volume.unlink()


def test_a_watch_knows_who_was_touched_by_others(tmp_path: Path) -> None:
    for name in ("same", "changed", "gone", "chmoded"):
        (tmp_path / name).write_text("abc")
    watch = Watch(str(tmp_path), ["same", "changed", "gone", "chmoded", "missing"], str(tmp_path.parent))
    (tmp_path / "changed").write_text("xyz")
    (tmp_path / "gone").unlink()
    (tmp_path / "chmoded").chmod((tmp_path / "chmoded").stat().st_mode)
    assert watch.untouched() == {"same"}


def adopt(script: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", _ADOPT, script], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_whatever_a_command_leaves_behind_ends_before_it_is_over(tmp_path: Path) -> None:
    """The fifo is open for writing in every left-over process: reading it ends when the last one has."""
    os.mkfifo(tmp_path / "alive")
    script = f"exec 9>{tmp_path}/alive; (setsid sh -c 'trap \"\" TERM; sleep 4711 & wait' &); (sleep 4711 &) ; exit 3"
    child = adopt(script)
    with (tmp_path / "alive").open("rb") as alive:
        assert alive.read() == b""
    assert child.communicate(timeout=60)[0] == "3\n"


def test_a_command_ends_when_the_builder_wants_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    child = adopt(f"exec 9>{tmp_path}/alive; echo ready >&9; sleep 4711")
    with (tmp_path / "alive").open("rb") as alive:
        assert alive.readline() == b"ready\n"
        child.send_signal(signal.SIGTERM)
        assert alive.read() == b""
    assert child.communicate(timeout=60)[0] == "stopped\n"


def test_masu_lies_apart_where_its_interpreter_has_a_loader_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "bin/python3").touch()
    assert own_directory(str(tmp_path / "bin/python3")) is None
    (tmp_path / "lib/ld-linux-x86-64.so.2").touch()
    assert own_directory(str(tmp_path / "bin/python3")) == tmp_path
