"""A Docker engine of the benchmark's own, new and empty for each run, and started before the clock.

Pruning an old one would leave it the knowledge of which blobs it has pushed where.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.area import Area
from bench.contestants.peers import System, answer, find_system
from bench.errors import Unavailable
from bench.measure import descendants

_PATIENCE = 60  # seconds for the engine to start or to stop


class DockerEngine:
    """`name` is its directory's in the area; raises Unavailable where no engine can run. `pid` is the daemon's while it runs."""

    def __init__(self, area: Area, name: str) -> None:
        if not shutil.which("docker"):
            raise Unavailable("the docker command is not installed")
        self.system: System = find_system("dockerd", "containerd", "runc")
        self.pid = 0
        self._area = area
        self._name = name
        self._home = area.path / name

    @contextmanager
    def running(self, *features: str) -> Iterator[None]:
        """With nothing in it and these features on; everything that it has made is gone afterwards."""
        self._area.fresh(self._name)
        (self._home / "config").mkdir()
        with (self._home / "engine.log").open("wb") as output:
            process = subprocess.Popen(
                self._daemon(features), start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            self._await(process)
            yield
        finally:
            _stop(process)
            self._area.fresh(self._name)

    def _daemon(self, features: Sequence[str]) -> list[str]:
        home = self.system.path(self._home)
        places = [
            "--data-root",
            f"{home}/data",
            "--exec-root",
            f"{home}/exec",
            "-p",
            f"{home}/pid",
            "-H",
            f"unix://{home}/socket",
        ]
        switched_on = [f"--feature={feature}=true" for feature in features]
        return [*self.system.prefix, "dockerd", *places, "--bridge", "none", "--iptables=false", *switched_on]

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.say("version", "--format", "{{.Server.Version}}"):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self._home / "engine.log").read_text(errors="replace")
                raise Unavailable(f"dockerd doesn't start here: {log[-500:]}")
            time.sleep(0.2)
        self.pid = int((self._home / "pid").read_text())

    def say(self, *words: str | Path) -> str:
        """The first line that a command of the client prints."""
        return answer(*self.argv(), *map(str, words))

    def argv(self) -> list[str]:
        """The client, to which a command is added."""
        return ["docker", "-H", f"unix://{self._home}/socket"]

    def env(self) -> dict[str, str]:
        """What the client needs."""
        own = str(self._home / "config")
        config = self.system.docker_config or own
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": own, "BUILDX_CONFIG": own, "DOCKER_CONFIG": config}
        return env | {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the engine to end; what is still there after a while is made to."""
    family = list(descendants(process.pid))
    for pid in family:
        if _name(pid) == "dockerd":
            _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while any(map(_alive, family)):
        if time.monotonic() > deadline:
            for pid in family:
                _signal(pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.05)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _alive(pid: int) -> bool:
    return bool(_name(pid))
