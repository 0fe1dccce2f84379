"""A real registry on loopback, and the little of its protocol that the benchmark itself speaks."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError

_OCI = "application/vnd.oci.image"
_ACCEPTED = f"{_OCI}.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """`address` is HOST:PORT; it speaks plain HTTP."""

    address: str

    def put_image(self, repository: str, tag: str, *, config: Path, layers: Sequence[Path]) -> None:
        """Upload blobs and manifest of an image whose layers are gzip-compressed."""
        document = {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": self._put_blob(repository, config) | {"mediaType": f"{_OCI}.config.v1+json"},
            "layers": [self._put_blob(repository, path) | {"mediaType": f"{_OCI}.layer.v1.tar+gzip"} for path in layers],
        }
        headers = {"Content-Type": f"{_OCI}.manifest.v1+json"}
        body = json.dumps(document).encode()
        self._request("PUT", f"/v2/{repository}/manifests/{tag}", wanted=201, body=body, headers=headers)

    def layer_sizes(self, repository: str, tag: str) -> list[int]:
        """The compressed sizes of an image's layers in bytes, lowest first."""
        answer = self._request("GET", f"/v2/{repository}/manifests/{tag}", wanted=200, headers={"Accept": _ACCEPTED})
        return [layer["size"] for layer in json.loads(answer.body)["layers"]]

    def _put_blob(self, repository: str, path: Path) -> dict[str, Any]:
        """Upload a file; gives digest and size, the half of a descriptor."""
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        answer = self._request("POST", f"/v2/{repository}/blobs/uploads/", wanted=202)
        location = answer.headers["Location"].removeprefix(f"http://{self.address}")
        size = path.stat().st_size
        with path.open("rb") as file:
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            self._request("PUT", f"{location}&digest={digest}", wanted=201, body=file, headers=headers)
        return {"digest": digest, "size": size}

    def _request(
        self, method: str, path: str, *, wanted: int, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> _Answer:
        connection = http.client.HTTPConnection(self.address, timeout=300)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            answer = _Answer(headers=dict(response.getheaders()), body=response.read())
        finally:
            connection.close()
        if response.status != wanted:
            raise BenchError(f"the registry answers {response.status} to {method} {path}: {answer.body[:300]!r}")
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    headers: Mapping[str, str]
    body: bytes


@contextmanager
def served_registry(directory: Path) -> Iterator[Registry]:
    """A new one that keeps its blobs in `directory`, which exists."""
    if not shutil.which("docker-registry"):
        raise BenchError("docker-registry is missing: apt-get install docker-registry")
    address = f"127.0.0.1:{_free_port()}"
    config = directory / "config.yml"
    document = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(directory / "blobs")}},
        "http": {"addr": address},
    }
    config.write_text(json.dumps(document))  # JSON is YAML
    argv = ["docker-registry", "serve", str(config)]
    nothing = subprocess.DEVNULL
    with subprocess.Popen(argv, start_new_session=True, stdin=nothing, stdout=nothing, stderr=nothing) as process:
        try:
            _await(address)
            yield Registry(address=address)
        finally:
            process.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise BenchError("docker-registry doesn't answer") from error
            time.sleep(0.05)
