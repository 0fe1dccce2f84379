"""`masu doctor`: it tells what is so on this machine, and its answer is the one that a build gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from builder.sandbox import SANDBOXES, choose
from tests.support.masu import Masu
from tests.support.ordinary_user import ordinary_user
from tests.support.registry import serve_registry


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    return Masu(state=tmp_path / "state")


def test_it_names_the_sandbox_that_a_build_would_use(masu: Masu, tmp_path: Path) -> None:
    done = masu("doctor", "localhost:1")
    assert done.returncode == 0, done.stderr
    chosen = re.findall(r"^  (\S+) +a build would use this one", done.stdout, re.MULTILINE)
    assert chosen == [choose("auto", tmp_path).name]


def test_it_tells_of_every_sandbox_and_of_the_machine(masu: Masu) -> None:
    text = masu("doctor", "localhost:1").stdout
    for what in (
        "capabilities",
        "user namespaces",
        "overlayfs",
        "seccomp listener",
        "renaming into /",
        "memory limit",
        *SANDBOXES,
    ):
        assert re.search(rf"^  {re.escape(what)} ", text, re.MULTILINE), what
    assert f"{masu.state}, " in text


def test_a_sandbox_that_is_pinned_and_impossible_fails(masu: Masu) -> None:
    done = masu("doctor", "localhost:1", "--sandbox", "takeover")
    assert done.returncode == 1
    assert "takeover          no: only in masu's own image" in done.stdout


def test_it_tells_whether_a_registry_answers(masu: Masu, tmp_path: Path) -> None:
    with serve_registry(tmp_path) as registry:
        text = masu("doctor", registry.host, "localhost:1").stdout
    assert f"{registry.host}" in text
    assert f"answers at http://{registry.host}" in text
    assert "can't be reached: GET http://localhost:1/v2/" in text


def test_an_ordinary_user_is_root_in_a_namespace_of_his_own() -> None:
    with ordinary_user(with_range=False) as user:
        text = user.masu("doctor", "localhost:1").stdout
    assert "user              uid 0, gid 0\n" in text
    assert "namespaces        a build would use this one\n" in text
