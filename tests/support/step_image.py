"""The step image, built by masu itself from the sources as they are; kept in `.cache/step-image` until they change.

The parts that take a minute, the interpreter with its programs and the shell, are kept by themselves, for they change seldom.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.bases import CACHE
from tests.support.shared import REPOSITORY

_DIRECTORY = CACHE / "step-image"
STATE = _DIRECTORY / "state"
"""Where masu keeps the Debian base and the parts."""
_DOCKERFILE = ("--file", "steps/image/Dockerfile")
_PART_SOURCES = ("steps/image", "builder/__init__.py", "builder/errors.py", "builder/process.py", "builder/values.py")
_NOT_HERE = ("debootstrap", "Failed to fetch", "Temporary failure resolving", "no sandbox")
"""What is said where Debian's packages can't be had or RUN can't be run; anything else is a failure."""


def step_image(*, debug: bool) -> Path:
    """The image, with a shell or without, as a docker archive; its name is `masu:test` or `masu:test-debug`.

    Other processes that want it wait. Skips where RUN can't be run or Debian's packages can't be had.
    """
    target, name = ("debug", "masu:test-debug") if debug else ("default", "masu:test")
    _DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (_DIRECTORY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        archive = _DIRECTORY / f"{target}-{_key(('builder', 'steps'))}.tar"
        if not archive.exists():
            for old in _DIRECTORY.glob(f"{target}-*.tar"):
                old.unlink()
            parts = [f"{part}=docker-image://{_part(part)}" for part in (("runtime", "shell") if debug else ("runtime",))]
            made = [word for part in parts for word in ("--build-context", part)]
            _build("--target", target, *made, "--destination", name, "--no-push", "--tar-path", f"{archive}.new")
            Path(f"{archive}.new").rename(archive)
    return archive


def _part(stage: str) -> str:
    """The name of this stage's image in a store of `.cache`."""
    name = f"step-{stage}:{_key(_PART_SOURCES)}"
    if name not in _run([sys.executable, "-m", "builder", "ls"]):
        _run(["scripts/debian-base"])
        _build("--target", stage, "--tag", name)
    return name


def _build(*arguments: str) -> None:
    certificates = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    secret = ["--secret", f"id=ca,src={certificates}"] if certificates else []
    _run([sys.executable, "-m", "builder", "build", "--progress", "quiet", *_DOCKERFILE, *secret, *arguments, "."])


def _run(command: list[str]) -> str:
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
    env = kept | {"MASU_STATE_DIR": str(STATE), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False, timeout=1200)
    if done.returncode:
        said = f"the step image can't be built here: {(done.stdout + done.stderr)[-1000:]}"
        assert any(words in said for words in _NOT_HERE), said
        pytest.skip(said)
    return done.stdout


def _key(sources: Iterable[str]) -> str:
    """Changes when one of these files, or a file of these directories, does."""
    hasher = hashlib.sha256()
    for path in sorted(path for source in sources for path in _files(REPOSITORY / source)):
        data = path.read_bytes()
        hasher.update(f"{path.relative_to(REPOSITORY)} {path.stat().st_mode:o} {len(data)}\n".encode() + data)
    return hasher.hexdigest()[:16]


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        return [path]
    return (file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
