"""A registry in memory that takes blobs and keeps what has arrived of an upload whose connection broke, as the OCI spec allows.

Debian's docker-registry forgets such uploads.
"""

from __future__ import annotations

import hashlib
import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

_CHUNK = 64 << 10


@dataclass(slots=True, kw_only=True)
class ResumableRegistry:
    """`host` is `127.0.0.1:PORT`. `breaks`: bytes of bodies, all counted, after which a connection is reset, each once.

    `patched` is how a PATCH is answered.
    `received` are the bytes of all bodies, `asked` the requests as `METHOD path`.
    """

    breaks: list[int] = field(default_factory=list)
    patched: int = 202
    host: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    received: int = 0
    asked: list[str] = field(default_factory=list)


@contextmanager
def serve_resumable(registry: ResumableRegistry) -> Iterator[ResumableRegistry]:
    class Handler(_Handler):
        shared = registry

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    shared: ResumableRegistry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._note()
        upload = self._upload
        if self.path == "/v2/":
            self._answer(200)
        elif upload is None:
            self._answer(404)
        else:
            self._answer(204, Range=f"0-{max(len(upload) - 1, 0)}")

    def do_HEAD(self) -> None:
        self._note()
        self._answer(200 if self.path.rpartition("/")[2] in self.shared.blobs else 404)

    def do_POST(self) -> None:
        self._note()
        name = str(len(self.shared.uploads))
        self.shared.uploads[name] = bytearray()
        self._answer(202, Location=f"{self.path}{name}")

    def do_PATCH(self) -> None:
        self._note()
        upload = self._upload
        begin = int(self.headers["Content-Range"].partition("-")[0]) if "Content-Range" in self.headers else 0
        if upload is None or begin != len(upload):
            self._answer(416 if upload is not None else 404)
        elif self._receive(upload):
            self._answer(self.shared.patched, Location=self.path, Range=f"0-{len(upload) - 1}")

    def do_PUT(self) -> None:
        self._note()
        upload = self._upload
        assert upload is not None
        if self._receive(upload):
            (digest,) = parse_qs(urlsplit(self.path).query)["digest"]
            assert digest == f"sha256:{hashlib.sha256(upload).hexdigest()}"
            self.shared.blobs[digest] = bytes(upload)
            self._answer(201)

    @property
    def _upload(self) -> bytearray | None:
        found = re.fullmatch(r"/v2/.*/blobs/uploads/(\d+)", urlsplit(self.path).path)
        return self.shared.uploads.get(found[1]) if found else None

    def _note(self) -> None:
        self.shared.asked.append(f"{self.command} {self.path}")

    def _receive(self, upload: bytearray) -> bool:
        """Whether the whole body has come."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self._take(upload, int(self.headers.get("Content-Length") or 0))
        while size := int(self.rfile.readline(), 16):
            if not self._take(upload, size):
                return False
            self.rfile.readline()
        self.rfile.readline()
        return True

    def _take(self, upload: bytearray, left: int) -> bool:
        """Whether so many bytes have come."""
        while left:
            until_break = self.shared.breaks[0] - self.shared.received if self.shared.breaks else left
            data = self.rfile.read(min(left, _CHUNK, until_break))
            upload += data
            left -= len(data)
            self.shared.received += len(data)
            if self.shared.breaks and self.shared.received >= self.shared.breaks[0]:
                self.shared.breaks.pop(0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return False
        return True

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass
