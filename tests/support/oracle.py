"""The oracle: what a current Docker engine makes of a case. Its answers depend on the case only and are kept in `.cache/oracle`.

The engine is the one that `../shared/tools/modern-docker` sets up; without it, or without root, whatever asks for it is skipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.bases import CACHE, Bases, busybox_is_static
from tests.support.cases import Case
from tests.support.images import Image, read_image
from tests.support.shared import REPOSITORY, shared

_TOOLS = ("docker", "docker-registry", "skopeo", "debootstrap")
_SOURCES = ("tests/support/cases.py", "tests/support/images.py", "tests/support/oracle.py")
_TIMEOUT = 300
_STOPPING = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a builder made of a case: an image, or `image` None and what it said."""

    image: Image | None
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Docker:
    """A running engine; `environment` has DOCKER_HOST and DOCKER_CONFIG."""

    environment: Mapping[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a docker command; its exit code is the caller's business."""
        environment = {**os.environ, **self.environment, "DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
        return subprocess.run(
            ["docker", *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="surrogateescape",
            timeout=_TIMEOUT,
        )

    @contextmanager
    def built(self, case: Case, bases: Bases) -> Iterator[tuple[str, str]]:
        """Build without cache; gives the image's name, or "" if that failed, and the log."""
        name = f"oracle-{uuid.uuid4().hex}"
        with context_of(case, bases) as directory:
            arguments = build_arguments(case, bases, directory)
            done = self.run("buildx", "build", "--no-cache", "--network=host", "--progress=plain", "-t", name, *arguments)
        try:
            yield name if done.returncode == 0 else "", done.stdout
        finally:
            self.run("image", "rm", "--force", name)

    @property
    def has_git(self) -> bool:
        root = self.environment["DOCKER_HOST"].removeprefix("unix://").removesuffix("/run/modern-docker.sock")
        return Path(root, "usr/bin/git").exists()

    def build(self, case: Case, bases: Bases) -> Outcome:
        if case.needs_git and not self.has_git:
            pytest.skip("the Docker engine has no git: apt-get install it there, and start the engine anew")
        with self.built(case, bases) as (name, log), tempfile.TemporaryDirectory() as temporary:
            if not name:
                return Outcome(image=None, log=log)
            saved = Path(temporary) / "image.tar"
            done = self.run("image", "save", "--output", str(saved), name)
            if done.returncode:
                raise RuntimeError(f"docker save: {done.stdout}")
            return Outcome(image=read_image(saved).without(bases.elsewhere), log=log)

    def remembered(self, case: Case, bases: Bases) -> Outcome:
        """As `build`, from `.cache/oracle` if the same case was built before."""
        path = CACHE / "oracle" / f"{_key(case, bases)}.json"
        if path.exists():
            known = json.loads(path.read_text())
            return Outcome(image=Image.from_json(known["image"]) if known["image"] else None, log=known["log"])
        outcome = self.build(case, bases)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps({"image": outcome.image.to_json() if outcome.image else None, "log": outcome.log}))
        temporary.rename(path)
        return outcome


def start_docker() -> Docker:
    """Start the engine if need be; skips where there can be none."""
    if os.geteuid() != 0:
        pytest.skip("the Docker oracle needs root")
    for name in _TOOLS:
        if not shutil.which(name):
            pytest.skip(f"the Docker oracle needs {name}")
    if not busybox_is_static():
        pytest.skip("the Docker oracle makes its base image from the package busybox-static")
    tool = shared("tools/modern-docker")
    directory = Path(os.environ.get("MODERN_DOCKER_DIR", Path.home() / ".cache/modern-docker"))
    _give_git(tool, directory)
    done = subprocess.run([tool, "start", directory], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"modern-docker doesn't start: {done.stderr[-500:]}")
    return Docker(environment=dict(re.findall(r"(DOCKER_\w+)=(\S+)", done.stdout)))


def _give_git(tool: Path, directory: Path) -> None:
    """BuildKit clones with the engine's own git, and looks for it when it starts; without it the git cases are skipped."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "engine.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / "root/usr/bin/git").exists():
            return
        install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends git"
        subprocess.run([tool, "exec", directory, "sh", "-c", install], capture_output=True, check=False)
        pid_file = directory / "root/run/modern-docker.pid"
        running = pid_file.read_text() if pid_file.exists() else ""
        subprocess.run([tool, "stop", directory], check=False)
        deadline = time.monotonic() + _STOPPING
        while running and Path(f"/proc/{running.strip()}").exists() and time.monotonic() < deadline:
            time.sleep(0.1)


@contextmanager
def context_of(case: Case, bases: Bases) -> Iterator[Path]:
    """A directory that holds the case's Dockerfile and its context, removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="case-") as temporary:
        case.make_context(Path(temporary), bases.references())
        yield Path(temporary)


def build_arguments(case: Case, bases: Bases, directory: Path) -> list[str]:
    """The options that both builders understand, and the context; a `-f` in the case's options is relative to `directory`."""
    options = [option.replace("{context}", str(directory / "context")) for option in case.options(bases.references())]
    if elsewhere := case.section("elsewhere", bases.references()).strip():
        return [*options, elsewhere]
    if "-f" not in options:
        options += ["-f", "Dockerfile"]
    position = options.index("-f") + 1
    options[position] = str(directory / options[position])
    return [*options, str(directory / "context")]


def _key(case: Case, bases: Bases) -> str:
    identity = {
        "sections": dict(case.sections),
        "bases": {name: bases.identity(name) for name in sorted(case.bases)},
        "sources": [hashlib.sha256((REPOSITORY / source).read_bytes()).hexdigest() for source in _SOURCES],
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
