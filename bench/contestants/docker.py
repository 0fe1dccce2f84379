"""docker buildx with the engine's own BuildKit.

The engine is the benchmark's own, new and empty for each run, and started before the clock: pruning an old one would leave it the
knowledge of which blobs it has pushed where.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.area import Area
from bench.cases import Case
from bench.contestants.contestant import Contestant
from bench.contestants.peers import System, answer, find_system
from bench.errors import Unavailable
from bench.measure import Measurement, Watch, descendants, measure

_PROGRAMS = ("dockerd", "containerd", "docker", "buildx")
_PATIENCE = 60  # seconds for the engine to start or to stop


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    if not shutil.which("docker"):
        raise Unavailable("the docker command is not installed")
    system = find_system("dockerd", "containerd", "runc")
    docker = _Docker(area, system)
    with docker.cold():  # proves that an engine starts here
        docker.version = f"docker {docker.say('version', '--format', '{{.Server.Version}}')}"
    yield docker


class _Docker:
    def __init__(self, area: Area, system: System) -> None:
        self.version = ""
        self._area = area
        self._system = system
        self._home = area.path / "docker"
        self._engine = 0

    @contextmanager
    def cold(self) -> Iterator[None]:
        self._area.fresh("docker")
        (self._home / "config").mkdir()
        with (self._home / "engine.log").open("wb") as output:
            process = subprocess.Popen(
                self._engine_argv(), start_new_session=True, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            self._await(process)
            yield
        finally:
            _stop(process)
            self._area.fresh("docker")

    def _engine_argv(self) -> list[str]:
        home = self._system.path(self._home)
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
        return [*self._system.prefix, "dockerd", *places, "--bridge", "none", "--iptables=false"]

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.say("version", "--format", "{{.Server.Version}}"):
            if process.poll() is not None or time.monotonic() > deadline:
                log = (self._home / "engine.log").read_text(errors="replace")
                raise Unavailable(f"dockerd doesn't start here: {log[-500:]}")
            time.sleep(0.2)
        self._engine = int((self._home / "pid").read_text())

    def build(self, case: Case, target: str) -> Measurement:
        argv = [*self._argv(), "buildx", "build", "--no-cache", "--pull", "--push", "--network", "host", "--progress", "plain"]
        watch = Watch(programs=_PROGRAMS, engine=self._engine)
        log = self._area.path / "docker.log"
        return measure([*argv, "--tag", target, case.context], env=self._env(), log=log, watch=watch)

    def say(self, *words: str) -> str:
        return answer(*self._argv(), *words)

    def _argv(self) -> list[str]:
        return ["docker", "-H", f"unix://{self._home}/socket"]

    def _env(self) -> dict[str, str]:
        own = str(self._home / "config")
        config = self._system.docker_config or own
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
