"""A real application: a Flask server on Debian with apt-get and pip, built, pushed, pulled elsewhere, run, answering HTTP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bases import serve_bases
from tests.support.here import DEBIAN, make_base
from tests.support.masu import ROOT, Masu
from tests.support.registry import free_port, serve_registry


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Masu, str]]:
    """A Debian that reaches the package registries as this machine does: its sources, apt settings and certificates."""
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("making a Debian base needs root and debootstrap")
    directory = tmp_path_factory.mktemp("application")
    masu = Masu(state=directory / "state")
    with serve_bases(debian=True) as bases:
        dockerfile = DEBIAN.format(debian=bases.references()["debian"])
        make_base(masu, directory / "context", dockerfile, "--tag=debian-here")
        yield masu, "debian-here"


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def test_a_flask_application_is_built_pushed_pulled_and_answers(base: tuple[Masu, str], tmp_path: Path) -> None:
    masu, debian = base
    with serve_registry(_made(tmp_path / "registry")) as registry:
        name = f"{registry.host}/team/flask:1"
        done = masu("build", "-d", name, "--build-arg", f"BASE={debian}", ROOT / "examples/flask")
        assert done.returncode == 0, done.stderr
        elsewhere = Masu(state=tmp_path / "elsewhere")
        assert elsewhere("pull", name).returncode == 0
    port = free_port()
    server = elsewhere.start("run", "--progress=quiet", name, "env", f"PORT={port}", "python", "app.py")
    try:
        assert _get(port, server) == {"greeting": "hello from masu", "user": "web", "directory": "/app"}
    finally:
        server.send_signal(signal.SIGTERM)
        _, said = server.communicate(timeout=60)
    assert server.returncode == 143, said
    assert os.listdir(elsewhere.state / "work") == []


def _get(port: int, server: subprocess.Popen[bytes]) -> object:
    """The answer, asked for until the server listens; its own words when it ends instead."""
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            continue
    raise AssertionError((server.communicate()[1] or b"").decode())
