"""A proxy that plays every host of the world, TLS and all, and notes what each was sent; no name server is needed."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.support.certificates import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`host` has a port unless it is the scheme's own; header names are lower case."""

    scheme: str
    host: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True, kw_only=True)
class Everywhere:
    """`proxy` is its URL; `reply` answers for every host."""

    reply: Callable[[Request], Reply]
    proxy: str = ""
    seen: list[Request] = field(default_factory=list)

    def authorized(self) -> set[tuple[str, str]]:
        """The hosts that were sent an Authorization, and which."""
        return {(item.host, item.authorization) for item in self.seen if item.authorization}


@contextmanager
def serve_everywhere(identity: Identity, reply: Callable[[Request], Reply]) -> Iterator[Everywhere]:
    """`identity` is what all hosts show: it has to be valid for their names."""
    everywhere = Everywhere(reply=reply)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate_path, identity.key_path)

    class Handler(_Handler):
        shared = everywhere
        tls = context

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    everywhere.proxy = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield everywhere
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    shared: Everywhere
    tls: ssl.SSLContext
    protocol_version = "HTTP/1.1"
    tunnel = ""

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.tunnel = self.path.removesuffix(":443")
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)
        self.close_connection = False  # whatever the version of the CONNECT
        while not self.close_connection:
            self.handle_one_request()

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        request = Request(
            scheme="https" if self.tunnel else "http",
            host=self.tunnel or parts.netloc.removesuffix(":80"),
            method=self.command,
            path=self.path if self.tunnel else f"{parts.path}?{parts.query}".rstrip("?"),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        self.shared.seen.append(request)
        reply = self.shared.reply(request)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the library wants these names

    def log_message(self, format: str, *args: object) -> None:
        pass
