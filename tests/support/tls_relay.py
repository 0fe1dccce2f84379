"""TLS in front of a plain server on loopback, such as a proxy that is to be spoken to by TLS."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.certificates import Identity

_CHUNK = 16 << 10


@contextmanager
def serve_tls(identity: Identity, upstream: str) -> Iterator[str]:
    """The `127.0.0.1:PORT` where whoever speaks TLS gets to `upstream` (HOST:PORT)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate_path, identity.key_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, context, upstream), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, upstream: str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_relay, args=(client, context, upstream), daemon=True).start()


def _relay(client: socket.socket, context: ssl.SSLContext, upstream: str) -> None:
    name, _, port = upstream.partition(":")
    with (
        suppress(OSError),  # one of them has gone
        socket.create_connection((name, int(port))) as server,
        context.wrap_socket(client, server_side=True) as secured,
        selectors.DefaultSelector() as selector,
    ):
        selector.register(secured, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, secured)
        while True:
            for key, _ in selector.select():
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)
                data = source.recv(_CHUNK)
                while isinstance(source, ssl.SSLSocket) and source.pending():
                    data += source.recv(_CHUNK)
                if not data:
                    return
                target.sendall(data)
