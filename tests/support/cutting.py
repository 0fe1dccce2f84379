"""A TCP relay that cuts one connection after so many bytes in one direction, and counts what goes through."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_CHUNK = 16 << 10
_PATIENCE = 20  # seconds
_RESET = struct.pack("ii", 1, 0)

Direction = Literal["up", "down"]
"""`up` is towards the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """After `after` bytes of all connections together in this direction; `reset` by RST, else the stream just ends.

    `dead`: from then on no connection gets through.
    """

    direction: Direction
    after: int
    reset: bool = True
    dead: bool = False


@dataclass(slots=True, kw_only=True)
class Relay:
    """`host` is `127.0.0.1:PORT`; `passed` are bytes by direction, `cuts` how often it has cut."""

    upstream: str
    cut: Cut | None = None
    host: str = ""
    passed: dict[Direction, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    cuts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def allowed(self, direction: Direction, size: int) -> int:
        """How many of `size` bytes may pass; they count as passed. Fewer than all: the connection is to be cut."""
        with self._lock:
            cut, passed = self.cut, self.passed[direction]
            if cut is None or cut.direction != direction or (self.cuts and not cut.dead) or passed + size <= cut.after:
                self.passed[direction] += size
                return size
            self.cuts += 1
            self.passed[direction] = max(passed, cut.after)
            return max(cut.after - passed, 0)

    @property
    def is_dead(self) -> bool:
        return self.cut is not None and self.cut.dead and self.cuts > 0


@contextmanager
def relaying(upstream: str, cut: Cut | None = None) -> Iterator[Relay]:
    """A relay to `upstream` (HOST:PORT)."""
    relay = Relay(upstream=upstream, cut=cut)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        relay.host = f"127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=_accept, args=(listener, relay), daemon=True).start()
        yield relay
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, relay: Relay) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        if relay.is_dead:
            client.close()
            continue
        name, _, port = relay.upstream.partition(":")
        server = socket.create_connection((name, int(port)))
        for source, target, direction in ((client, server, "up"), (server, client, "down")):
            threading.Thread(target=_pump, args=(source, target, direction, relay), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket, direction: Direction, relay: Relay) -> None:
    with suppress(OSError):  # the other direction has cut both
        while data := source.recv(_CHUNK):
            size = relay.allowed(direction, len(data))
            target.sendall(data[:size])
            if size < len(data):
                _cut(source, target, reset=relay.cut is None or relay.cut.reset)
                return
        target.shutdown(socket.SHUT_WR)


def _cut(source: socket.socket, target: socket.socket, *, reset: bool) -> None:
    if reset:
        _until_read(target)
    for end in (source, target):
        if reset:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def _until_read(sock: socket.socket) -> None:
    """Wait until the peer, on this machine, has read what was sent: a reset would drop the rest, much of it on a busy machine."""
    own, peer = (f":{address[1]:04X}" for address in (sock.getsockname(), sock.getpeername()))
    deadline = time.monotonic() + _PATIENCE
    while _queued(own, peer) and time.monotonic() < deadline:
        time.sleep(0.001)


def _queued(own: str, peer: str) -> int:
    """Bytes between the two ports that have been sent and not been read (proc_net_tcp: local and remote address, tx:rx queue)."""
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        sent, arrived = (int(part, 16) for part in queues.split(":"))
        if (local[-5:], remote[-5:]) == (own, peer):
            found += sent
        elif (local[-5:], remote[-5:]) == (peer, own):
            found += arrived
    return found
