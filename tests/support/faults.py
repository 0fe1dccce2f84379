"""A proxy before a registry that misbehaves as it is told, and notes every request."""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CHUNK = 64 << 10
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What to do with the requests whose `METHOD path?query` has a match of `where`: `times` of them, after the first `after`.

    Instead of the registry: answer `status` with `headers` and `body`. With its answer: `reset` the connection after so many
    bytes of the body, end it there but `truncated` in all honesty, or `corrupt` that byte; `strip` headers, or add `headers`.
    `slow`: seconds between two pieces of the body.
    `hang_up` resets the connection after so many bytes of the request's body, or at its end; `lost`: only the answer gets lost.
    """

    where: str
    times: int = 1 << 30
    after: int = 0
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: int | None = None
    truncated: int | None = None
    corrupt: int | None = None
    slow: float = 0
    hang_up: int | None = None
    lost: bool = False
    strip: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """`what` is `METHOD path?query`; `status` 0 if no answer was sent."""

    what: str
    headers: Mapping[str, str]
    status: int


@dataclass(slots=True, kw_only=True)
class FaultyProxy:
    """`host` is `127.0.0.1:PORT`; `faults` may be changed at any time, the first that fits counts."""

    upstream: str
    host: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    _met: dict[int, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def misbehave(self, *faults: Fault) -> None:
        """From now on like this, and forget what was seen."""
        with self._lock:
            self.faults[:] = faults
            self._met.clear()
            self.seen.clear()

    def fault_for(self, what: str) -> Fault | None:
        with self._lock:
            for number, fault in enumerate(self.faults):
                if re.search(fault.where, what):
                    self._met[number] = self._met.get(number, 0) + 1
                    if fault.after < self._met[number] <= fault.after + fault.times:
                        return fault
        return None

    def matching(self, where: str) -> Sequence[Seen]:
        return [item for item in self.seen if re.search(where, item.what)]


@contextmanager
def serve_faults(upstream: str, *faults: Fault) -> Iterator[FaultyProxy]:
    """A proxy for the plain-http registry at `upstream` (HOST:PORT)."""
    shared = FaultyProxy(upstream=upstream, faults=list(faults))

    class Handler(_Handler):
        proxy = shared

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shared.host = f"127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield shared
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    proxy: FaultyProxy
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        fault = self.proxy.fault_for(f"{self.command} {self.path}") or Fault(where="")
        if fault.hang_up is not None:
            self._note(0)
            # A body may be shorter, and whoever has sent it waits for an answer.
            self.rfile.read(fault.hang_up if self._is_chunked else min(fault.hang_up, self._length))
            self._reset()
        elif fault.status:
            self._refuse(fault)
        else:
            self._forward(fault)

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _note(self, status: int) -> None:
        """Before the client has the answer, so that it can rely on the list."""
        what = f"{self.command} {self.path}"
        self.proxy.seen.append(Seen(what=what, headers=dict(self.headers), status=status))

    def _refuse(self, fault: Fault) -> None:
        """Answer at once, as proxies do that don't want the body."""
        self._note(fault.status)
        self.send_response(fault.status)
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(fault.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(fault.body)
        for _ in self._body():
            pass

    def _forward(self, fault: Fault) -> None:
        name, _, port = self.proxy.upstream.partition(":")
        upstream = http.client.HTTPConnection(name, int(port))
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in self.headers.items():
                upstream.putheader(key, value)
            upstream.endheaders()
            for data in self._body():
                upstream.send(data)
            response = upstream.getresponse()
            self._note(response.status)
            if fault.lost:
                response.read()
                self._reset()
            else:
                self._relay(response, fault)
        finally:
            upstream.close()

    @property
    def _is_chunked(self) -> bool:
        return self.headers.get("Transfer-Encoding") == "chunked"

    @property
    def _length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _body(self) -> Iterator[bytes]:
        """The request's, as it is on the wire."""
        left, is_last = self._length, not self._is_chunked
        while left or not is_last:
            if self._is_chunked and not left:
                line = self.rfile.readline()
                yield line
                left, is_last = int(line, 16) + 2, int(line, 16) == 0  # with the line's end behind it
            data = self.rfile.read(min(left, _CHUNK))
            left -= len(data)
            yield data

    def _relay(self, response: http.client.HTTPResponse, fault: Fault) -> None:
        body = response.read()
        if fault.truncated is not None:
            body = body[: fault.truncated]
        if fault.corrupt is not None:
            body = body[: fault.corrupt] + bytes([body[fault.corrupt] ^ 1]) + body[fault.corrupt + 1 :]
        self.send_response(response.status)
        dropped = _HOP_BY_HOP | {name.lower() for name in (*fault.strip, *fault.headers)} | {"content-length"}
        for name, value in [*((n, v) for n, v in response.getheaders() if n.lower() not in dropped), *fault.headers.items()]:
            self.send_header(name, value)
        length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(body))
        if response.status != 204 and length is not None:
            self.send_header("Content-Length", length)
        self.end_headers()
        body = body if fault.reset is None else body[: fault.reset]
        for start in range(0, len(body), _CHUNK if fault.slow else len(body) or 1):
            time.sleep(fault.slow)
            self.wfile.write(body[start : start + _CHUNK] if fault.slow else body)
        if fault.reset is not None:
            self._reset()

    def _reset(self) -> None:
        """Close with RST, which drops what the peer hasn't read: first let it arrive."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.shutdown(socket.SHUT_WR)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass
