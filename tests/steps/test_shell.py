from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from builder.errors import BuilderError
from steps import shell
from tests.support.shared import REPOSITORY


@pytest.mark.parametrize("word", ["sh", "bash", "ash", "dash", "/bin/sh", "/usr/local/bin/bash", "/busybox/sh"])
def test_shells_are_known_by_their_last_name(word: str) -> None:
    assert shell.is_one(word)


@pytest.mark.parametrize("word", ["build", "--tag=sh", "fish", "sh.tar", "", "/bin/sh/"])
def test_nothing_else_is_a_shell(word: str) -> None:
    assert not shell.is_one(word)


def executable(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return str(path)


def test_a_shell_is_looked_for_in_path_or_taken_as_it_is(tmp_path: Path) -> None:
    bash = executable(tmp_path / "bin/bash")
    assert shell.find("bash", {"PATH": f"/nowhere:{tmp_path}/bin"}, ours="/none") == bash
    assert shell.find(bash, {}, ours="/none") == bash


def test_our_own_stands_in_for_a_plain_shell_only(tmp_path: Path) -> None:
    ours = executable(tmp_path / "busybox/sh")
    for word in ("sh", "ash", "/bin/sh"):
        assert shell.find(word, {"PATH": "/nowhere"} if "/" not in word else {}, ours=ours) in (ours, "/bin/sh")
    with pytest.raises(BuilderError, match="'bash'") as caught:
        shell.find("bash", {"PATH": "/nowhere"}, ours=ours)
    assert "debug image" in caught.value.hint


def test_the_shell_gets_arguments_environment_and_signals() -> None:
    script = (
        "import signal, sys; from steps import shell\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # who started the tests, nohup say, may have it ignored
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "shell.become(['sh', '-c', 'echo $0 $1 $X; grep SigIgn /proc/self/status; kill $$', 'zero', 'one'],"
        " {'PATH': '/usr/bin:/bin', 'X': 'x'})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    words, ignored = done.stdout.splitlines()
    assert words == "zero one x", done.stderr
    # Those from 32 on are the C library's own; whoever started the tests may have them ignored.
    assert int(ignored.split()[1], 16) & 0x7FFFFFFF == 0
    assert done.returncode == -15
