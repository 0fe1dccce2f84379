"""Container engines of Debian's own, dockerd and podman: real containers for tests, as CI platforms make them.

dockerd is started once a machine and found again by its socket. It has no bridge and changes no firewall, so containers use the
host's network or none. What needs an engine is skipped where there can be none: without root or without the packages.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.bases import CACHE

DATA = Path("/var/lib/masu-tests")
"""Not below `.cache`: overlayfs needs a real filesystem."""
_RUN = Path("/run/masu-tests")
_SECONDS = 60
_SHIM = """\
#!/bin/sh -e
# runc for a machine that may not raise limits (no CAP_SYS_RESOURCE): takes them out of what podman asks for.
bundle=
for word in "$@"; do
  [ "$previous" != --bundle ] || bundle=$word
  previous=$word
done
[ -z "$bundle" ] || python3 - "$bundle/config.json" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    config = json.load(file)
config["process"].pop("rlimits", None)
with open(sys.argv[1], "w") as file:
    json.dump(config, file)
END
exec runc "$@"
"""
_SETTINGS = """\
[containers]
default_ulimits = []
[engine]
runtime = "shim"
cgroup_manager = "cgroupfs"
events_logger = "file"
[engine.runtimes]
shim = ["SHIM"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a container or a command in one ended; `output` is all it printed, standard error included."""

    code: int
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`command` is the client's, to which `run`, `load` and so on are added."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, timeout: float = 300) -> Finished:
        """Run a command of the client to its end, whatever its exit code."""
        done = subprocess.run(
            self.argv(*arguments), env=self.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout,
        )  # fmt: skip
        return Finished(code=done.returncode, output=done.stdout.decode(errors="replace"))

    def argv(self, *arguments: str | Path) -> list[str]:
        return [*self.command, *(str(argument) for argument in arguments)]

    def env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": "/root", **self.environment}

    def load(self, archive: Path) -> str:
        """Load a docker archive of one image; gives its name."""
        done = self("load", "--quiet", "--input", archive)
        assert done.code == 0, done.output
        return done.output.strip().splitlines()[-1].split(": ", 1)[1]

    def run(self, image: str, *arguments: str | Path, options: Sequence[str] = (), timeout: float = 600) -> Finished:
        """Run a container to its end with `options` of `docker run`; nothing of it is left, even if it doesn't end in time."""
        name = f"masu-test-{uuid.uuid4().hex}"
        try:
            return self("run", "--rm", "--name", name, "--network", "host", *options, image, *arguments, timeout=timeout)
        finally:
            self._remove(name)

    @contextlib.contextmanager
    def container(self, image: str, *arguments: str, options: Sequence[str] = (), network: str = "host") -> Iterator[Container]:
        """A running container, removed at the end."""
        name = f"masu-test-{uuid.uuid4().hex}"
        try:
            done = self("run", "--detach", "--name", name, "--network", network, *options, image, *arguments)
            assert done.code == 0, done.output
            yield Container(engine=self, name=name)
        finally:
            self._remove(name)

    def _remove(self, name: str) -> None:
        """Killed first: podman would ask it to stop and wait for ten seconds."""
        self("kill", name)
        self("rm", "--force", "--volumes", name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    engine: Engine
    name: str

    def __call__(self, *argv: str | Path, env: Mapping[str, str] | None = None, timeout: float = 600) -> Finished:
        """Run a command in it to its end."""
        return self.engine("exec", *self._variables(env), self.name, *argv, timeout=timeout)

    def start(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Begin a command in it; what it prints comes through the process's standard output."""
        return subprocess.Popen(
            self.engine.argv("exec", *self._variables(env), self.name, *argv),
            env=self.engine.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def pid(self) -> int:
        """Its first process, as the host counts."""
        done = self.engine("inspect", "--format", "{{.State.Pid}}", self.name)
        assert done.code == 0, done.output
        return int(done.output)

    @staticmethod
    def _variables(env: Mapping[str, str] | None) -> list[str]:
        return [word for key, value in (env or {}).items() for word in ("--env", f"{key}={value}")]


# --- docker ------------------------------------------------------------------------------------------------------------------


def start_docker_engine() -> Engine:
    """Debian's dockerd, started if it doesn't run; skips where it can't."""
    _need("dockerd", "docker")
    socket = _RUN / "docker.sock"
    client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker"
    nowhere = {"DOCKER_CONFIG": str(_RUN / "no-config")}
    engine = Engine(name="docker", command=(client, "--host", f"unix://{socket}"), environment=nowhere)
    with _locked("engine"):
        if engine("version").code:
            _start_dockerd(socket)
            _await(engine)
    return engine


def _start_dockerd(socket: Path) -> None:
    _RUN.mkdir(parents=True, exist_ok=True)
    dockerd = _find("dockerd") or ""
    arguments = [f"--data-root={DATA}/docker", f"--exec-root={_RUN}/docker", f"--pidfile={_RUN}/docker.pid"]
    with _log().open("wb") as output:
        subprocess.Popen(
            [dockerd, *arguments, "--host", f"unix://{socket}", "--bridge", "none", "--iptables=false"],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def _await(engine: Engine) -> None:
    deadline = time.monotonic() + _SECONDS
    while engine("version").code:
        if time.monotonic() > deadline:
            pytest.skip(f"dockerd doesn't start: {_log().read_text()[-1000:]}")
        time.sleep(0.2)


def _log() -> Path:
    return CACHE / "dockerd.log"


# --- podman ------------------------------------------------------------------------------------------------------------------


def start_podman_engine() -> Engine:
    """podman with a store of its own, and settings that work where limits can't be raised; skips where it can't run."""
    _need("podman", "runc", "conmon", "catatonit")
    directory = DATA / "podman"
    with _locked("podman"):
        directory.mkdir(parents=True, exist_ok=True)
        shim = directory / "runc-without-limits"
        shim.write_text(_SHIM)
        shim.chmod(0o755)
        (directory / "containers.conf").write_text(_SETTINGS.replace("SHIM", str(shim)))
    command = ("podman", "--root", str(directory / "storage"), "--runroot", str(_RUN / "podman"))
    return Engine(name="podman", command=command, environment={"CONTAINERS_CONF": str(directory / "containers.conf")})


# --- both --------------------------------------------------------------------------------------------------------------------


def _need(*programs: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("container engines need root")
    if missing := [program for program in programs if not _find(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
