"""The benchmark works where it is run: tiny sizes, masu alone, no word about how long anything takes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bases import busybox_is_static

ROOT = Path(__file__).resolve().parents[2]
SMALL = [sys.executable, "-m", "bench", "--small", "--runs", "1"]
COLUMNS = 8
LAYERS = [1, 10, 2, 1, 1, 2, 4, 4]  # of the cases, in their order

pytestmark = [
    pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed"),
    pytest.mark.skipif(not busybox_is_static(), reason="busybox-static is not installed"),
]


def environment(temporary: Path, **changes: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(temporary), **changes}


def rows(report: str, contestant: str) -> list[list[str]]:
    lines = (line.removeprefix("| ").removesuffix(" |").split(" | ") for line in report.splitlines() if line.startswith("|"))
    return [cells for cells in lines if cells[0] == contestant]


def test_a_small_run_reports_every_case_in_full_and_leaves_nothing_behind(tmp_path: Path) -> None:
    argv = [*SMALL, "--contestant", "masu"]
    done = subprocess.run(argv, cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout, "masu")
    assert [len(cells) for cells in found] == [COLUMNS] * len(LAYERS)
    assert all(cell.strip() for cells in found for cell in cells[: COLUMNS - 2])  # the others compare, and there is nobody
    assert [int(cells[4].partition(",")[0]) for cells in found] == LAYERS
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    argv = [*SMALL, "--contestant", "masu"]
    process = subprocess.Popen(argv, cwd=ROOT, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while "preparing case big-base" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_a_peer_that_is_not_there_is_left_out_loudly(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker-registry").symlink_to(shutil.which("docker-registry") or "")
    argv = [*SMALL, "--contestant", "docker", "--case", "much-data"]
    env = environment(tmp_path, PATH=str(tmp_path / "bin"))
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "*** docker is left out: the docker command is not installed ***" in done.stderr
    assert "- docker: the docker command is not installed" in done.stdout
