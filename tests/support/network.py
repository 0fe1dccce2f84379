"""A network of its own for what is tested: hosts have their real names there, and a metadata server its real address.

It is a network namespace with a loopback alone. The test itself stays outside, but holds sockets that listen inside, and passes
connections on to servers on its own loopback. Nothing reaches the real hosts.
"""

from __future__ import annotations

import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.certificates import Identity

Unwrap = Callable[[socket.socket], tuple[socket.socket, str]]
METADATA = "169.254.169.254"
_DEAD_END = (
    "link add near type veth peer name far,link set near up,link set far up,"
    f"address add 10.9.0.1/24 dev near,route add {METADATA}/32 dev near"
)
"""A way to the metadata server on which nobody answers, nor says that nobody is there."""
_HOLDER = """
import socket, subprocess, sys
control = socket.socket(fileno=int(sys.argv[1]))
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for address in sys.argv[3].split():
    subprocess.run(["ip", "address", "replace", address + "/32", "dev", "lo"], check=True)
for words in sys.argv[4].split(","):
    subprocess.run(["ip", *words.split()], check=True) if words else None
if sys.argv[2]:
    subprocess.run(["mount", "--bind", sys.argv[2], "/etc/hosts"], check=True)
control.send(b"ready")
while place := control.recv(100).decode():
    listening = socket.create_server((place.split()[0], int(place.split()[1])))
    socket.send_fds(control, [b"here"], [listening.fileno()])
    listening.close()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    pid: int
    _control: socket.socket
    _open: ExitStack = field(default_factory=ExitStack)

    def argv(self, argv: Sequence[str]) -> list[str]:
        """A command as it is run there."""
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--", *argv]

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout: float = 120) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(self.argv(argv), env=dict(env), capture_output=True, check=False, timeout=timeout)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    def forward(self, address: str, port: int, *, to: str) -> None:
        """Connections to this address there go to `to` (HOST:PORT) here."""
        self._serve(self._listen(address, port), lambda connection: (connection, to))

    def forward_tls(self, address: str, port: int, identity: Identity, *, to: Mapping[str, str]) -> None:
        """TLS connections go, without the TLS, to the server of the name that they ask for; other names find nobody."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate_path, identity.key_path)

        def name_it(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
            names[id(connection)] = name or ""

        def unwrap(connection: socket.socket) -> tuple[socket.socket, str]:
            wrapped = context.wrap_socket(connection, server_side=True)
            return wrapped, to[names.pop(id(wrapped))]

        names: dict[int, str] = {}
        context.sni_callback = name_it
        self._serve(self._listen(address, port), unwrap)

    def _listen(self, address: str, port: int) -> socket.socket:
        self._control.send(f"{address} {port}".encode())
        _, descriptors, _, _ = socket.recv_fds(self._control, 100, 1)
        assert descriptors, f"can't listen at {address}:{port}"
        return self._open.enter_context(socket.socket(fileno=descriptors[0]))

    def _serve(self, listening: socket.socket, unwrap: Unwrap) -> None:
        threading.Thread(target=_accept, args=(listening, unwrap), daemon=True).start()


@contextmanager
def open_network(*, hosts: Iterable[str] = (), addresses: Sequence[str] = (METADATA,), container: int = 0) -> Iterator[Network]:
    """`hosts` are names of 127.0.0.1 in it; `container` is a process whose network it is instead, names and all.

    Without METADATA in `addresses` packets to it are lost.
    """
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    if missing := [program for program in ("ip", "nsenter", "unshare") if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.NamedTemporaryFile("w") as names, ExitStack() as opened:
        names.write(f"127.0.0.1 localhost {' '.join(hosts)}\n{METADATA} metadata.google.internal\n")
        names.flush()
        enter = ["nsenter", f"--target={container}", "--net"] if container else ["unshare", "--net", "--mount"]
        arguments = [str(theirs.fileno()), "" if container else names.name, " ".join(addresses)]
        arguments.append("" if METADATA in addresses else _DEAD_END)
        holder = subprocess.Popen(
            [*enter, sys.executable, "-c", _HOLDER, *arguments], pass_fds=[theirs.fileno()], stderr=subprocess.PIPE
        )
        theirs.close()
        try:
            if ours.recv(100) != b"ready":
                _, said = holder.communicate()
                pytest.skip(f"no network namespace here: {said.decode(errors='replace')[-500:]}")
            yield Network(pid=holder.pid, _control=ours, _open=opened)
        finally:
            holder.kill()
            holder.communicate()


def _accept(listening: socket.socket, unwrap: Unwrap) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # closed: the network has ended
            return
        threading.Thread(target=_pass_on, args=(connection, unwrap), daemon=True).start()


def _pass_on(connection: socket.socket, unwrap: Unwrap) -> None:
    try:
        near, place = unwrap(connection)
        host, _, port = place.partition(":")
        with near, socket.create_connection((host, int(port))) as far:
            _pump(near, far)
    except (OSError, KeyError):  # a client that hangs up, or asks for a name that nobody has
        connection.close()


def _pump(near: socket.socket, far: socket.socket) -> None:
    """Both ways in one thread, which is all that a TLS connection takes, until one end hangs up."""
    while True:
        waiting = isinstance(near, ssl.SSLSocket) and near.pending()
        for source in [near] if waiting else select.select([near, far], [], [])[0]:
            data = source.recv(1 << 16)
            if not data:
                return
            (far if source is near else near).sendall(data)


def environment(masu: Mapping[str, str], identity: Identity, **more: str) -> dict[str, str]:
    """Masu's, with trust in the certificates of this network."""
    nowhere = str(identity.certificate_path.parent / "none")
    return {**masu, "SSL_CERT_FILE": str(identity.certificate_path), "SSL_CERT_DIR": nowhere, **more}
