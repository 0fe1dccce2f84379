"""A sandbox child without a pid namespace: it adopts whatever a command leaves behind, and ends it. Stdlib only."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

from builder.sandbox import linux

_STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def adopt() -> None:
    """Become the parent of all orphans below (PR_SET_CHILD_SUBREAPER), and take signals only where `wait_for` waits for them."""
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS | {signal.SIGCHLD})


def unblock() -> None:
    """For a forked child, before it executes a program."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def wait_for(child: int) -> int | None:
    """Reap whatever ends until `child` does; returns its wait status, or None when this process is told to stop."""
    while True:
        for pid, status in _ended():
            if pid == child:
                return status
        if signal.sigwait(_STOPS | {signal.SIGCHLD}) != signal.SIGCHLD:
            return None


def end_all() -> None:
    """Kill every descendant, the orphans too, and reap them: none is left when it returns."""
    while _has_children():
        for pid in _descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _ended() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def _has_children() -> bool:
    for _ in _ended():
        pass
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _descendants() -> list[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name in parentheses may hold anything; the parent is the second field behind it (proc(5)).
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    me = os.getpid()
    return [pid for pid in parents if _descends(pid, me, parents)]


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False
