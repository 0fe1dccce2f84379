"""A socket of its own for one ssh mount: with the mode and owner that the mount asks for, and for using keys only.

The agent itself is the user's: a command may list keys and sign with them, but neither add, remove nor lock any
(draft-ietf-sshm-ssh-agent, section 5).
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import SandboxError
from builder.ops import Access

_IDENTITIES, _SIGN, _EXTENSION = 11, 13, 27
_FAILURE = b"\0\0\0\1\5"
_MOST = 256 << 10  # bytes of a message, as in OpenSSH


@contextmanager
def relay(agent: Path, at: Path, access: Access, *, gives: bool = True) -> Iterator[None]:
    """Listen at `at`, which doesn't exist, as long as it is entered; it isn't given to its owner unless `gives`."""
    listener = _listener(at)
    try:
        os.chmod(at, access.mode)
        try:
            if gives:
                os.chown(at, access.uid, access.gid)
        except OSError as error:
            message = f"can't give an ssh socket to uid {access.uid}, gid {access.gid}: {error.strerror}"
            raise SandboxError(message) from error
        threading.Thread(target=_serve, args=(listener, agent), name="ssh-relay", daemon=True).start()
        yield
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        at.unlink(missing_ok=True)


def _listener(at: Path) -> socket.socket:
    """A socket's path may have 107 bytes only, so it is named through its directory's descriptor."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    directory = os.open(at.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{at.name}")
        listener.listen()
    except BaseException:
        listener.close()
        raise
    finally:
        os.close(directory)
    return listener


def _serve(listener: socket.socket, agent: Path) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # closed
            return
        threading.Thread(target=_converse, args=(client, agent), name="ssh-relay", daemon=True).start()


def _converse(client: socket.socket, agent: Path) -> None:
    with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as upstream, contextlib.suppress(OSError):
        upstream.connect(str(agent))
        while (request := _message(client)) is not None:
            if request[4] not in (_IDENTITIES, _SIGN, _EXTENSION):
                client.sendall(_FAILURE)
                continue
            upstream.sendall(request)
            answer = _message(upstream)
            if answer is None:
                return
            client.sendall(answer)


def _message(source: socket.socket) -> bytes | None:
    """One message with its length in front; None at the end, or when it is none."""
    head = _exactly(source, 4)
    length = struct.unpack(">I", head)[0] if head else 0
    body = _exactly(source, length) if 0 < length <= _MOST else None
    return None if head is None or body is None else head + body


def _exactly(source: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            return None
        data += piece
    return data
