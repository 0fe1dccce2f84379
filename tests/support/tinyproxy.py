"""A real forward proxy, Debian's tinyproxy."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.registry import free_port

_PATIENCE = 10.0
DISGUISED = "2130706433"
"""127.0.0.1 as one number, which the proxy understands: masu itself goes to loopback addresses directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProxy:
    """`host` is `127.0.0.1:PORT`."""

    host: str
    log: Path

    def requests(self) -> list[str]:
        """The first lines of what it was asked, as `CONNECT host:port HTTP/1.1`."""
        lines = self.log.read_text().splitlines()
        return [line.rpartition("): ")[2] for line in lines if "Request (file descriptor" in line]


@contextmanager
def serve_tinyproxy(directory: Path, *, user: str = "", password: str = "") -> Iterator[RunningProxy]:
    """With `user` it wants that and the password."""
    if shutil.which("tinyproxy") is None:
        pytest.skip("tinyproxy is not installed")
    port, log, configuration = free_port(), directory / "tinyproxy.log", directory / "tinyproxy.conf"
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 30", "Allow 127.0.0.1", f'LogFile "{log}"', "LogLevel Connect"]
    configuration.write_text("\n".join([*lines, *([f"BasicAuth {user} {password}"] if user else [])]) + "\n")
    process = subprocess.Popen(
        ["tinyproxy", "-d", "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(port, process)
        yield RunningProxy(host=f"127.0.0.1:{port}", log=log)
    finally:
        process.kill()
        process.wait()


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("tinyproxy doesn't start")
