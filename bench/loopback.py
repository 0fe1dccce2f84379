"""A network of the benchmark's own with nothing but a loopback, so that what goes over it is what builders and registry say."""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.console import loudly

_CLONE_NEWNET = 0x40000000  # sched.h
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)
_COUNTERS = Path("/proc/thread-self/net/dev")
_OURS = Path("/proc/thread-self/ns/net")


@contextmanager
def own_network() -> Iterator[bool]:
    """For this thread and what it starts; whether it could be had. What is to be downloaded is downloaded before."""
    libc = ctypes.CDLL(None, use_errno=True)
    with _OURS.open() as before:
        if libc.unshare(_CLONE_NEWNET):
            loudly(f"no network of its own ({os.strerror(ctypes.get_errno())}): bytes moved are not counted")
            yield False
            return
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
            yield True
        finally:
            if libc.setns(before.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "the network from before can't be entered again")


def moved() -> int:
    """Bytes that went over the loopback so far, both directions and headers included (proc_pid_net(5))."""
    found = re.search(r"^ *lo: *(\d+)", _COUNTERS.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0
