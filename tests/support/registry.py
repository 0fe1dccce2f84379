"""A real registry, Debian's docker-registry, on a free loopback port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import pytest

_PROGRAM = "docker-registry"
_STARTS = 3
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRegistry:
    """`host` is `127.0.0.1:PORT`; `directory` holds what was pushed."""

    host: str
    directory: Path
    pid: int

    @contextmanager
    def held(self) -> Iterator[None]:
        """It does nothing meanwhile: who is pushing goes on doing so."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextmanager
def serve_registry(
    directory: Path, *, auth: Mapping[str, Any] | None = None, tls: Mapping[str, Any] | None = None
) -> Iterator[RunningRegistry]:
    """A registry that keeps its data under `directory`; `auth` and `tls` go into its configuration as they are."""
    if shutil.which(_PROGRAM) is None:
        pytest.skip(f"{_PROGRAM} is not installed")
    for _ in range(_STARTS):
        host = f"127.0.0.1:{free_port()}"
        process = _start(directory, host, auth=auth, tls=tls)
        try:
            if _answers(host, process):
                yield RunningRegistry(host=host, directory=directory, pid=process.pid)
                return
        finally:
            process.kill()
            process.wait()
    raise RuntimeError(f"{_PROGRAM} doesn't start: {(directory / 'log').read_text()}")


def htpasswd(directory: Path, users: Mapping[str, str]) -> dict[str, Any]:
    """The `auth` of a registry that knows these users and passwords (Basic)."""
    lines = [f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}" for name, password in users.items()]
    path = directory / "htpasswd"
    path.write_text("\n".join(lines) + "\n")
    return {"htpasswd": {"realm": "test", "path": str(path)}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(
    directory: Path, host: str, *, auth: Mapping[str, Any] | None, tls: Mapping[str, Any] | None
) -> subprocess.Popen[bytes]:
    configuration: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "data")}, "delete": {"enabled": True}},
        "http": {"addr": host, "secret": "test", **({"tls": dict(tls)} if tls else {})},
        **({"auth": dict(auth)} if auth else {}),
    }
    path = directory / "registry.yml"
    path.write_text(json.dumps(configuration))  # YAML contains JSON
    with (directory / "log").open("ab") as log:
        return subprocess.Popen([_PROGRAM, "serve", str(path)], stdout=log, stderr=log)


def _answers(host: str, process: subprocess.Popen[bytes]) -> bool:
    name, _, port = host.partition(":")
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            with socket.create_connection((name, int(port)), timeout=1):
                return True
        except OSError:
            time.sleep(0.02)
    return False
