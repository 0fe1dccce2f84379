"""A server on loopback that says exactly these bytes, and notes those that it was sent."""

from __future__ import annotations

import io
import queue
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Answer a request, all of it read, or only its head where the client is `interrupted`; then close, `reset` by RST."""

    what: bytes = b""
    interrupted: bool = False
    close: bool = False
    reset: bool = False


@dataclass(slots=True, kw_only=True)
class Scripted:
    """`host` is `ADDRESS:PORT`; `heard` are the requests by connection, `closed` the numbers of those that the client closes."""

    host: str = ""
    heard: list[list[bytes]] = field(default_factory=list)
    protocols: list[str | None] = field(default_factory=list)
    closed: queue.Queue[int] = field(default_factory=queue.Queue)


@contextmanager
def serve_script(
    *connections: Sequence[Say], tls: ssl.SSLContext | None = None, address: str = "127.0.0.1"
) -> Iterator[Scripted]:
    """The n-th connection answers its requests with the n-th sequence; what is beyond it is never answered."""
    shared = Scripted()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family, backlog=64) as listener:
        port = listener.getsockname()[1]
        shared.host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        thread = threading.Thread(target=_accept, args=(listener, connections, shared, tls), daemon=True)
        thread.start()
        try:
            yield shared
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, connections: Sequence[Sequence[Say]], shared: Scripted, tls: ssl.SSLContext | None) -> None:
    for script in connections:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        shared.heard.append([])
        threading.Thread(target=_talk, args=(sock, script, shared, len(shared.heard) - 1, tls), daemon=True).start()


def _talk(sock: socket.socket, script: Sequence[Say], shared: Scripted, number: int, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError), sock:  # the client may have gone
        if tls is None:
            _answer(sock, script, shared, number)
            return
        with tls.wrap_socket(sock, server_side=True) as secured:
            shared.protocols.append(secured.selected_alpn_protocol())
            _answer(secured, script, shared, number)


def _answer(sock: socket.socket, script: Sequence[Say], shared: Scripted, number: int) -> None:
    with sock.makefile("rb") as source:
        for say in script:
            try:
                shared.heard[number].append(_request(source, body=not say.interrupted))
            except EOFError:
                break
            sock.sendall(say.what)
            if say.reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            if say.close or say.reset:
                return
        with suppress(OSError):
            source.read()
        shared.closed.put(number)


def _request(source: io.BufferedReader, *, body: bool) -> bytes:
    lines = [_line(source)]
    while lines[-1] != b"\r\n":
        lines.append(_line(source))
    head = b"".join(lines)
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    if not body:
        return head
    if fields.get(b"transfer-encoding") == b"chunked":
        while not head.endswith(b"\r\n0\r\n\r\n"):
            head += _line(source)
        return head
    return head + source.read(int(fields.get(b"content-length", 0)))


def _line(source: io.BufferedReader) -> bytes:
    line = source.readline()
    if not line:
        raise EOFError
    return line
