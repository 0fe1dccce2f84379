"""An https server on loopback that notes what is sent to it by PUT, and has one Dockerfile."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.certificates import make_identity


@dataclass(slots=True, kw_only=True)
class Puts:
    """`received` has path (with its query) → content type and body; what is put below `/refuse` is answered with 403."""

    url: str
    certificate: Path
    dockerfile: bytes
    received: dict[str, tuple[str, str]] = field(default_factory=dict)


@contextmanager
def serve_puts(directory: Path, dockerfile: bytes) -> Iterator[Puts]:
    identity = make_identity(directory)
    puts = Puts(url="", certificate=identity.certificate_path, dockerfile=dockerfile)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, puts))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate_path, identity.key_path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    puts.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield puts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, puts: Puts, *details: object) -> None:
        self._puts = puts
        super().__init__(*details)  # type: ignore[arg-type]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._puts.received[self.path] = (self.headers.get("Content-Type", ""), body.decode())
        self._answer(403 if self.path.startswith("/refuse") else 200, b"")

    def do_GET(self) -> None:
        self._answer(200, self._puts.dockerfile)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
