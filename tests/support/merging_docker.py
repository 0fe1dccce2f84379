"""A second engine, whose image store can merge layers: the one of `oracle.py` can't, and takes COPY --link for a plain COPY."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.bases import CACHE
from tests.support.oracle import Docker, start_docker
from tests.support.shared import shared

_NAME = "merging-docker"
_SECONDS = 30


def start_merging_docker() -> Docker:
    """Start it beside the other, if it isn't running; skips where there can be none."""
    other = start_docker()
    run = Path(other.environment["DOCKER_HOST"].removeprefix("unix://")).parent
    docker = Docker(environment={**other.environment, "DOCKER_HOST": f"unix://{run / _NAME}.sock"})
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{_NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _answers(docker):
            _start(run.parents[1], CACHE / f"{_NAME}.log")
            deadline = time.monotonic() + _SECONDS
            while not _answers(docker):
                if time.monotonic() > deadline:
                    pytest.skip(f"the engine that merges layers doesn't start: see {CACHE / _NAME}.log")
                time.sleep(0.2)
    return docker


def _answers(docker: Docker) -> bool:
    return docker.run("version").returncode == 0


def _start(directory: Path, log: Path) -> None:
    arguments = ["--feature", "containerd-snapshotter=true", "--bridge", "none", "--iptables=false"]
    arguments += ["--data-root", f"/var/lib/{_NAME}", "--exec-root", f"/run/{_NAME}", "--pidfile", f"/run/{_NAME}.pid"]
    arguments += ["--host", f"unix:///run/{_NAME}.sock"]
    with log.open("wb") as output:
        subprocess.Popen(
            [shared("tools/modern-docker"), "exec", str(directory), "dockerd", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ,
            start_new_session=True,
        )
