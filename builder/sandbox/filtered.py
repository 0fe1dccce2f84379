"""The innermost sandbox child of `traced`, inside what PRoot shows: installs the filter and runs one process. Stdlib only."""

from __future__ import annotations

import array
import os
import signal
import socket
import sys
from typing import NoReturn

from builder.sandbox import seccomp
from builder.sandbox.begin import begin, die_with_parent, exit_code, fail, read_spec, tell


def main() -> NoReturn:
    """Read the specification from descriptor argv[1], answer in argv[2]: what kept the process from running, or its `code`.

    PRoot, the parent, runs until everything has ended: it is killed when the process has.
    """
    spec, answer = read_spec(int(sys.argv[1])), int(sys.argv[2])
    os.set_inheritable(answer, False)
    tracer = os.getppid()
    try:
        die_with_parent()
        send_listener(spec["supervisor"], seccomp.install(spec["loader"]))
        child = os.fork()
        if child == 0:
            begin(spec, answer, capabilities=None)
    except Exception as error:  # noqa: BLE001 - this program's last boundary, and the forked child must not go on in its parent's code
        fail(answer, error)
    code = exit_code(os.waitpid(child, 0)[1])
    if os.fstat(answer).st_size == 0:
        tell(answer, {"code": code})
    os.kill(tracer, signal.SIGKILL)
    os._exit(code)


def send_listener(connection: int, listener: int) -> None:
    """Give the listener away through a Supervisor's `theirs`: whoever has it decides what processes may do."""
    with socket.socket(fileno=connection) as sock:
        sock.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]).tobytes())])
    os.close(listener)
