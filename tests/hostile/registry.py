"""A registry that means harm: what it answers for each repository is a value."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
CONFIG, LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evil:
    """`manifest` is what the tag `1` gives; `documents` and `blobs` by digest; `token` is a token server's answer."""

    manifest: bytes
    media_type: str = MANIFEST
    documents: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    token: bytes | None = None
    realm: str = ""


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def described(media_type: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


def image(contents: list[bytes], config: Any = None, *, diff_ids: list[str] | None = None, **more: Any) -> Evil:
    """An image of these layers, whose config and descriptors may be anything; `more` goes into the manifest."""
    plain: dict[str, Any] = {"os": "linux", "architecture": "amd64", "config": {}}
    plain["rootfs"] = {"diff_ids": diff_ids if diff_ids is not None else [digest(layer) for layer in contents]}
    raw = config if isinstance(config, bytes) else json.dumps({**plain, **(config or {})}).encode()
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described(CONFIG, raw)}
    document |= {"layers": [described(LAYER, layer) for layer in contents], **more}
    blobs = {digest(data): data for data in (raw, *contents)}
    return Evil(manifest=json.dumps(document).encode(), blobs=blobs)


@contextmanager
def serve_evil(cases: Mapping[str, Evil]) -> Iterator[str]:
    """HOST:PORT of a registry with a repository for each case."""

    class Handler(_Handler):
        evil = cases

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    evil: Mapping[str, Evil]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        words = parts.path.split("/")
        if parts.path == "/v2/":
            self._answer(200, {}, b"{}")
        elif words[1] == "token":
            self._answer(200, {}, self.evil[words[2]].token or b"")
        else:
            self._repository(self.evil[words[2]], words[2], kind=words[3], name=words[4])

    def do_HEAD(self) -> None:
        self.do_GET()

    def _repository(self, case: Evil, repository: str, *, kind: str, name: str) -> None:
        if case.token is not None and "Authorization" not in self.headers:
            realm = case.realm or f"http://{self.headers['Host']}/token/{repository}"
            self._answer(401, {"WWW-Authenticate": f'Bearer realm="{realm}",service="evil"'}, b"")
        elif kind == "blobs" and name in case.blobs:
            self._answer(200, {"Docker-Content-Digest": name}, case.blobs[name])
        elif kind == "manifests" and name == "1":
            self._answer(200, {"Content-Type": case.media_type, **case.headers}, case.manifest)
        elif kind == "manifests" and name in case.documents:
            media_type, data = case.documents[name]
            self._answer(200, {"Content-Type": media_type}, data)
        else:
            self._answer(404, {}, b"{}")

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            try:
                self.wfile.write(body)
            except ConnectionError:  # it has seen enough
                self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
