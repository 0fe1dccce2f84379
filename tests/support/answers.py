"""Small HTTP services on loopback, each a function from a request to an answer; what it doesn't answer goes to a registry."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`fields` are those of the query and of a form; header names are lower case."""

    method: str
    path: str
    fields: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    document: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """`host` is `127.0.0.1:PORT`; `asked` has every request that `reply` was asked."""

    host: str
    asked: list[Question]


@contextmanager
def serve_answers(reply: Callable[[Question], Answer | None], *, upstream: str = "") -> Iterator[Service]:
    """Answer with `reply`; where it gives None, with what the plain-http server at `upstream` (HOST:PORT) says."""
    asked: list[Question] = []

    class Handler(_Handler):
        service = staticmethod(reply)
        behind = upstream
        notes = asked

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Service(host=f"127.0.0.1:{server.server_address[1]}", asked=asked)
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    service: Callable[[Question], Answer | None]
    behind: str
    notes: list[Question]
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
        fields = dict(parse_qsl(parts.query)) | (dict(parse_qsl(body.decode())) if is_form else {})
        headers = {name.lower(): value for name, value in self.headers.items()}
        question = Question(method=self.command, path=parts.path, fields=fields, headers=headers)
        answer = type(self).service(question)
        if answer is not None or not self.behind:
            self.notes.append(question)
            self._answer(answer or Answer(status=404))
        else:
            self._forward(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815 - the library wants these names

    def _answer(self, answer: Answer) -> None:
        plain = isinstance(answer.document, str)
        body = answer.document.encode() if plain else json.dumps(answer.document).encode()
        self.send_response(answer.status)
        kind = {"Content-Type": "text/plain" if plain else "application/json", "Content-Length": str(len(body))}
        for name, value in (kind | dict(answer.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _forward(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection(self.behind)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                upstream.putheader(name, value)
            upstream.endheaders(body or None)
            response = upstream.getresponse()
            data = response.read()
        finally:
            upstream.close()
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        if response.status != 204:
            self.send_header(
                "Content-Length", (self.command == "HEAD" and response.getheader("Content-Length")) or str(len(data))
            )
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass
