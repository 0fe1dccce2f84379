"""moto's server: S3, STS and ECR's control plane, as far as it imitates them, on a free loopback port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.registry import free_port

_SECONDS = 60


@contextmanager
def serve_moto(directory: Path) -> Iterator[str]:
    """`127.0.0.1:PORT`; its log goes to `directory`."""
    port = free_port()
    with (directory / "moto.log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        await_port(port, process, directory / "moto.log")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"it doesn't start: {log.read_text()[-1000:]}") from None
            time.sleep(0.1)
