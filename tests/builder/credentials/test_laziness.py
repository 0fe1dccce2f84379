"""The clouds' libraries take a quarter of a second each to load, other HTTP clients a tenth: only who uses one waits for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.masu import Masu, write_context
from tests.support.registry import serve_registry

_BUILD = """
import os, sys
from builder.cli import main
code = main(sys.argv[1:], os.environ)
heavy = {"boto3", "botocore", "google", "azure", "cryptography", "requests", "urllib3", "http", "email"}
print("loaded:", code, sorted(heavy & set(sys.modules)))
"""


def loaded(masu: Masu, *words: str | Path) -> str:
    argv = [sys.executable, "-c", _BUILD, *map(str, words)]
    done = subprocess.run(argv, env=masu.environment(), capture_output=True, text=True, check=False, timeout=120)
    return done.stdout.rpartition("loaded: ")[2].strip() or done.stderr


def test_a_local_build_loads_none_of_them(tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM scratch\nCOPY Dockerfile /\n")
    assert loaded(Masu(state=tmp_path / "state"), "build", "-t", "local", context) == "0 []"


def test_a_registry_that_is_no_clouds_needs_none_of_them(tmp_path: Path) -> None:
    """Whatever credentials the environment has for clouds."""
    env = {"AWS_ACCESS_KEY_ID": "a", "AZURE_CLIENT_ID": "b", "GOOGLE_APPLICATION_CREDENTIALS": "/c"}
    context = write_context(tmp_path / "context", "FROM scratch\nCOPY Dockerfile /\n")
    with serve_registry(tmp_path) as registry:
        words = ("build", "-d", f"{registry.host}/app:1", context)
        assert loaded(Masu(state=tmp_path / "state", env=env), *words) == "0 []"
