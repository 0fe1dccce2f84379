"""Running one process without namespaces: it and all that it leaves behind end before this does. Stdlib only."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from builder.sandbox import descendants, linux
from builder.sandbox.begin import CAPABILITIES, SIGKILLED, begin, die_with_parent, exit_code, fail, read_spec, tell

# One of these that the builder has, the command hasn't: a process may look into another's memory, environment and descriptors
# only if it has all of its capabilities (cap_ptrace_access_check in security/commoncap.c).
_DISPENSABLE = (linux.CAP_SETPCAP, 13, 29, 10)  # then NET_RAW, AUDIT_WRITE, NET_BIND_SERVICE


def serve(run: Callable[[dict[str, Any], int], tuple[int | None, set[str]]]) -> NoReturn:
    """The whole life of a sandbox child: the specification is in descriptor argv[1], the answer goes to argv[2].

    `run` gets the specification and the answer's descriptor; it returns a wait status, None if the builder wants an end, and the
    paths that only the sandbox has touched. It is told by a signal when the builder dies, and may put things in order then.
    """
    spec, answer = read_spec(int(sys.argv[1])), int(sys.argv[2])
    for descriptor in (answer, *spec.get("held", ())):
        os.set_inheritable(descriptor, False)
    try:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        descendants.adopt()
        die_with_parent(signal.SIGTERM)
        status, untouched = run(spec, answer)
    except Exception as error:  # noqa: BLE001 - this program's last boundary: the builder shows what it was
        fail(answer, error)
    if os.fstat(answer).st_size == 0:  # else it has been told already why the command did not run
        tell(answer, {"untouched": sorted(untouched)})
    os._exit(SIGKILLED if status is None else exit_code(status))


def run_command(spec: dict[str, Any], answer: int, *, root: str = "/") -> int | None:
    """Run it in `root`; its wait status, None if the builder wants an end."""
    capabilities = _capabilities(may_chroot=root == "/")
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            descendants.unblock()
            if root != "/":
                os.chroot(root)
            begin(spec, answer, capabilities=capabilities)
        except Exception as error:  # noqa: BLE001 - nor may the forked child return into its parent's code
            fail(answer, error)
    try:
        return descendants.wait_for(child)
    finally:
        descendants.end_all()


class Watch:
    """Files below `root` whose ctime we have moved ourselves: which of them does the command touch, too?

    `paths` are relative to the root. It waits until the clock of the file system, on which `directory` is a place for a file, has
    passed their ctimes: whatever happens from now on gives later ones.
    """

    def __init__(self, root: str, paths: Iterable[str], directory: str) -> None:
        self._root = root.rstrip("/")
        self._ctimes = {path: ctime for path in paths if (ctime := self._ctime(path)) is not None}
        with tempfile.TemporaryFile(dir=directory) as probe:
            while os.fstat(probe.fileno()).st_ctime_ns <= max(self._ctimes.values(), default=0):
                os.utime(probe.fileno())

    def untouched(self) -> set[str]:
        """Those that nobody else has changed."""
        return {path for path, ctime in self._ctimes.items() if self._ctime(path) == ctime}

    def _ctime(self, path: str) -> int | None:
        try:
            return os.lstat(f"{self._root}/{path}").st_ctime_ns
        except (FileNotFoundError, NotADirectoryError):
            return None


def _capabilities(*, may_chroot: bool) -> frozenset[int] | None:
    held = linux.effective_capabilities()
    if linux.CAP_SETPCAP not in held:  # without it nothing can be dropped
        return None
    dropped = next(number for number in _DISPENSABLE if number in held) if may_chroot else linux.CAP_SYS_CHROOT
    return CAPABILITIES - {dropped}
