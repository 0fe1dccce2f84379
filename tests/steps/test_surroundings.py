from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from steps.surroundings import completed
from tests.support.shared import REPOSITORY


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home/ssl/certs").mkdir(parents=True)
    (tmp_path / "home/ssl/certs/ca-certificates.crt").touch()
    return tmp_path / "home"


def test_what_the_container_says_counts(home: Path, tmp_path: Path) -> None:
    env = {
        "MASU_STATE_DIR": f"{tmp_path}/s",
        "TMPDIR": f"{tmp_path}/t",
        "SSL_CERT_FILE": "/f",
        "SSL_CERT_DIR": "/d",
        "OPENSSL_CONF": "/c",
    }
    found = completed(env, home=home)
    assert {name: found.get(name, env[name]) for name in env} == env
    assert not (home / "state").exists()


def test_programs_and_certificates_are_ours(home: Path) -> None:
    found = completed({"PATH": "/usr/local/bin"}, home=home)
    assert found["PATH"] == f"{home}/bin:/usr/local/bin"
    assert found["GIT_EXEC_PATH"] == f"{home}/bin"
    assert found["SSL_CERT_FILE"] == f"{home}/ssl/certs/ca-certificates.crt"
    assert found["SSL_CERT_DIR"] == f"{home}/ssl/certs"
    assert completed({}, home=home)["PATH"] == f"{home}/bin"


def test_certificates_mounted_over_ours_stand_alone(home: Path) -> None:
    (home / "ssl/certs/ca-certificates.crt").unlink()
    found = completed({}, home=home)
    assert "SSL_CERT_FILE" not in found
    assert found["SSL_CERT_DIR"] == f"{home}/ssl/certs"


def test_state_is_kept_with_masu(home: Path, tmp_path: Path) -> None:
    found = completed({"TMPDIR": f"{home}/tmp"}, home=home, spare=tmp_path)
    assert (found["MASU_STATE_DIR"], found["TMPDIR"]) == (f"{home}/state", f"{home}/tmp")


_AS_SOMEONE = """\
import os, sys
from pathlib import Path
from steps.surroundings import completed
os.setgroups([]); os.setgid(4711); os.setuid(4711)
home, spare, temporary = sys.argv[1:]
found = completed({"TMPDIR": temporary}, home=Path(home), spare=Path(spare))
print(found["MASU_STATE_DIR"], found["TMPDIR"])
"""


def as_someone(home: Path, spare: Path, temporary: Path) -> list[str]:
    """State and temporary directory for a user who isn't root and may not write `home`."""
    if os.geteuid():
        pytest.skip("needs root, to become somebody else")
    for directory in [*home.parents][:-2]:
        directory.chmod(0o755)
    argv = [sys.executable, "-c", _AS_SOMEONE, str(home), str(spare), str(temporary)]
    env = {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(argv, env=env, check=True, capture_output=True, text=True, timeout=60).stdout.split()


def test_state_is_kept_on_a_disk_that_is_mounted_for_it(home: Path, tmp_path: Path) -> None:
    """Of a persistent volume, with fsGroup."""
    (home / "state").mkdir()
    (home / "state").chmod(0o777)
    (home / "state/lost+found").mkdir(mode=0o700)
    (tmp_path / "spare").mkdir(mode=0o777)
    (tmp_path / "spare").chmod(0o1777)
    assert as_someone(home, tmp_path / "spare", tmp_path / "spare")[0] == f"{home}/state"


def test_state_goes_to_a_volume_where_all_else_is_read_only(home: Path, tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume").chmod(0o1777)
    state = f"{tmp_path}/volume/masu-4711"
    assert as_someone(home, tmp_path / "volume", home / "tmp") == [state, f"{state}/tmp"]
    assert as_someone(home, tmp_path / "none", tmp_path / "volume") == [state, f"{tmp_path}/volume"]


def test_state_of_another_user_is_left_alone(home: Path, tmp_path: Path) -> None:
    for directory in (home / "state", tmp_path / "volume"):
        directory.mkdir()
        directory.chmod(0o1777)
    (home / "state/work").mkdir(mode=0o700)
    assert as_someone(home, tmp_path / "volume", home / "tmp")[0] == f"{tmp_path}/volume/masu-4711"


def test_without_any_place_the_first_is_named(home: Path, tmp_path: Path) -> None:
    assert as_someone(home, tmp_path / "none", home / "tmp") == [f"{home}/state", f"{home}/tmp"]
