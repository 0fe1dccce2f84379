"""Connections to registries, kept and used again: HTTP/1.1 over TCP or TLS, straight or through a proxy.

All that goes wrong here is an OSError.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
import threading
import weakref
from collections.abc import Iterable, Mapping, Sized
from functools import partial

from builder.registry.address import Origin
from builder.registry.request import Body
from builder.registry.response import Response, read_head
from builder.values import dataclass, field

_MOST_IDLE = 32
_SMALL = 64 << 10
"""Bytes of a body that go out with the head, in one packet if they fit into it."""

_HUNG_UP = frozenset({errno.EPIPE, errno.ECONNRESET, errno.EPROTOTYPE})
_WITH_A_BODY = frozenset({"POST", "PUT", "PATCH"})


class Unsendable(Exception):
    """A header has characters that none can hold; without words, which would have them."""


class ProxyFailure(OSError):
    """The way to the proxy, or through it, failed; its cause says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """`authorization` is for it alone; with a `context` it is spoken to by TLS."""

    origin: Origin
    authorization: str = field(default="", repr=False)
    context: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a server is reached: by TLS with a `context`, which says whom to trust."""

    origin: Origin
    context: ssl.SSLContext | None = None
    proxy: Proxy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request. A body without a length goes in chunks (RFC 9112, 7.1)."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | Body | Iterable[memoryview] | None
    connect_seconds: float
    answer_seconds: float


class Connections:
    """Threads share them. Those at rest are used again, the newest first; the oldest are given up when there are many."""

    def __init__(self) -> None:
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def ask(self, question: Question, route: Route) -> Response:
        """The answer, as soon as its head is there. Raises OSError when none comes, ProxyFailure, and Unsendable."""
        head = _head(question, route)
        connection = self._taken(route) or _Connection(route, _connected(route, question.connect_seconds))
        try:
            connection.sock.settimeout(question.connect_seconds)
            unsent = _send(connection.sock, head, question.body)
            connection.sock.settimeout(question.answer_seconds)
            return self._answer(connection, question, unsent)
        except BaseException:
            connection.close()
            raise

    def _answer(self, connection: _Connection, question: Question, unsent: OSError | None) -> Response:
        """A server may answer what it doesn't want to have to its end, and hang up."""
        try:
            head = read_head(connection.source)
        except OSError as error:
            raise unsent or error from None
        end = partial(self._end, connection, unsent is None)
        return Response(connection.source, head, method=question.method, end=end)

    def _end(self, connection: _Connection, is_sent: bool, lasts: bool) -> None:
        if not (is_sent and lasts):
            connection.close()
            return
        with self._lock:
            self._idle.append(connection)
            surplus = self._idle[:-_MOST_IDLE]
            del self._idle[:-_MOST_IDLE]
        _close_all(surplus)

    def _taken(self, route: Route) -> _Connection | None:
        while True:
            with self._lock:
                found = next((each for each in reversed(self._idle) if each.route == route), None)
                if found is None:
                    return None
                self._idle.remove(found)
            if found.is_quiet():
                return found
            found.close()


class _Connection:
    def __init__(self, route: Route, sock: socket.socket) -> None:
        self.route = route
        self.sock = sock
        self.source = sock.makefile("rb")

    def is_quiet(self) -> bool:
        """Whether nothing has come that nobody asked for: the end, when the server has closed it, or a body after HEAD."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if poll.poll(0):
            return False
        self.sock.settimeout(0)
        try:
            return not self.source.peek(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False

    def close(self) -> None:
        self.source.close()
        self.sock.close()


def _close_all(connections: Iterable[_Connection]) -> None:
    for each in connections:
        each.close()


def _head(question: Question, route: Route) -> bytes:
    authority, target, body = route.origin.authority, question.target, question.body
    headers = {"Host": authority, **question.headers}
    if route.proxy is not None and route.context is None:
        target = f"http://{authority}{target}"
        headers |= _authorization(route.proxy)
    if isinstance(body, Sized) or (body is None and question.method in _WITH_A_BODY):
        headers["Content-Length"] = str(len(body or b""))
    elif body is not None:
        headers["Transfer-Encoding"] = "chunked"
    return _lines(f"{question.method} {target} HTTP/1.1", headers)


def _authorization(proxy: Proxy) -> dict[str, str]:
    return {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}


def _lines(first: str, headers: Mapping[str, str]) -> bytes:
    if any(character in value for value in headers.values() for character in "\r\n\0"):
        raise Unsendable
    text = "\r\n".join([first, *(f"{name}: {value}" for name, value in headers.items()), "", ""])
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise Unsendable from None


def _send(sock: socket.socket, head: bytes, body: bytes | Body | Iterable[memoryview] | None) -> OSError | None:
    """What broke it, if the server may have answered all the same."""
    try:
        if body is None or isinstance(body, bytes):
            _send_bytes(sock, head, body or b"")
        elif isinstance(body, Sized):
            sock.sendall(head)
            for piece in body:
                sock.sendall(piece)
        else:
            sock.sendall(head)
            for piece in filter(len, body):  # an empty one would be the last
                sock.sendall(b"".join((b"%x\r\n" % len(piece), piece, b"\r\n")))
            sock.sendall(b"0\r\n\r\n")
    except OSError as error:
        if error.errno not in _HUNG_UP and not isinstance(error, ssl.SSLEOFError):
            raise
        return error
    return None


def _send_bytes(sock: socket.socket, head: bytes, body: bytes) -> None:
    if len(body) <= _SMALL:
        sock.sendall(head + body)
    else:
        sock.sendall(head)
        sock.sendall(body)


def _connected(route: Route, seconds: float) -> socket.socket:
    if route.proxy is None:
        sock = _dialled(route.origin, seconds)
    else:
        try:
            sock = _through(route.proxy, route, seconds)
        except OSError as error:
            raise ProxyFailure from error
    return sock if route.context is None else _secured(sock, route.context, route.origin)


def _through(proxy: Proxy, route: Route, seconds: float) -> socket.socket:
    """A connection to the proxy, which for a server that speaks TLS has made one to that."""
    sock = _dialled(proxy.origin, seconds)
    if proxy.context is not None:
        sock = _secured(sock, proxy.context, proxy.origin)
    if route.context is not None:
        try:
            _tunnel(sock, f"{route.origin.host}:{route.origin.port}", proxy)
        except BaseException:
            sock.close()
            raise
    return sock


def _tunnel(sock: socket.socket, target: str, proxy: Proxy) -> None:
    sock.sendall(_lines(f"CONNECT {target} HTTP/1.1", {"Host": target, **_authorization(proxy)}))
    with sock.makefile("rb") as source:
        head = read_head(source)
    if not 200 <= head.status < 300:
        raise ConnectionError(f"Tunnel connection failed: {head.status} {head.reason}")


def _dialled(origin: Origin, seconds: float) -> socket.socket:
    """Raises the error of the first, and so best, address. For names that aren't bytes Python reads the tables of all scripts."""
    address = (origin.host.strip("[]").encode("ascii"), origin.port)
    try:
        sock = socket.create_connection(address, seconds, all_errors=True)  # type: ignore[arg-type]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _secured(sock: socket.socket, context: ssl.SSLContext, origin: Origin) -> socket.socket:
    """With TLS, perhaps within TLS, which the standard library can't."""
    name = origin.name.encode("ascii")
    try:
        if isinstance(sock, ssl.SSLSocket):
            from urllib3.util.ssltransport import SSLTransport

            return SSLTransport(sock, context, server_hostname=name)  # type: ignore[return-value, arg-type]
        return context.wrap_socket(sock, server_hostname=name)
    except BaseException:
        sock.close()
        raise
