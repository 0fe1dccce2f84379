"""The sandbox child of `takeover`: puts a stage in the place of `/`, runs one process there, and puts everything back.

It lives until that is done, also when the builder is killed: it is told so by a signal. It runs in a program of its own, imports
the stdlib only, and nothing that it needs lies outside masu's own directory.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from builder.sandbox import descendants, linux
from builder.sandbox.begin import CAPABILITIES, SIGKILLED, begin, die_with_parent, exit_code, fail, read_spec, tell
from builder.sandbox.concealed import concealed
from builder.sandbox.kept import Kept, mount_points
from builder.sandbox.occupation import Conflict, Occupation
from builder.sandbox.placing import Placing

# One of these that the builder has, the command hasn't: a process may look into another's memory, environment and descriptors
# only if it has all of its capabilities (cap_ptrace_access_check in security/commoncap.c).
_DISPENSABLE = (linux.CAP_SETPCAP, 13, 29, 10)  # then NET_RAW, AUDIT_WRITE, NET_BIND_SERVICE


def main() -> NoReturn:
    """Read the specification from descriptor argv[1], answer in argv[2]; exits with the process's exit code."""
    spec, answer = read_spec(int(sys.argv[1])), int(sys.argv[2])
    for descriptor in (answer, spec["lock"]):
        os.set_inheritable(descriptor, False)
    try:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        descendants.adopt()
        die_with_parent(signal.SIGTERM)
        status, untouched = _run(spec, answer)
    except Conflict as conflict:
        tell(answer, {"conflict": conflict.args[0]})
        os._exit(1)
    except Exception as error:  # noqa: BLE001 - this program's last boundary: the builder shows what it was
        fail(answer, error)
    if os.fstat(answer).st_size == 0:  # else the forked child has told why the process did not run
        tell(answer, {"untouched": sorted(untouched)})
    os._exit(SIGKILLED if status is None else exit_code(status))


def _run(spec: dict[str, Any], answer: int) -> tuple[int | None, set[str]]:
    """The wait status, None if the builder wants an end, and the paths that only we have touched."""
    kept = Kept.of(spec["kept"])
    before = mount_points()
    with ExitStack() as stack:
        stack.enter_context(concealed(spec["concealed"]))
        occupation = Occupation(root=spec["root"], home=spec["home"], kept=kept, hideable=frozenset(spec["hideable"]))
        stack.callback(occupation.leave)
        occupation.enter()
        placing = Placing(root="/", staging=spec["staging"])
        stack.callback(placing.remove)
        for mount in spec["mounts"]:
            placing.put(mount)
        stack.enter_context(_more_hosts(spec["hosts"]))
        watched = _watch({*occupation.moved, *(path.lstrip("/") for path in placing.touched)}, spec["staging"])
        status = _command(spec, answer)
        _check_mounts(before)
        untouched = {path for path, ctime in watched.items() if _ctime(path) == ctime}
        return status, untouched | {path.lstrip("/") for path in placing.hidden}


@contextmanager
def _more_hosts(lines: list[str]) -> Iterator[None]:
    """Have these in the container's own /etc/hosts."""
    if not lines:
        yield
        return
    with open("/etc/hosts", "r+b", buffering=0) as file:
        before = file.read()
        file.write("".join(f"\n{line}" for line in [*lines, ""]).encode())
        try:
            yield
        finally:
            file.seek(0)
            file.write(before)
            file.truncate()


def _command(spec: dict[str, Any], answer: int) -> int | None:
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            descendants.unblock()
            begin(spec, answer, capabilities=_capabilities())
        except Exception as error:  # noqa: BLE001 - nor may the forked child return into its parent's code
            fail(answer, error)
    try:
        return descendants.wait_for(child)
    finally:
        descendants.end_all()


def _capabilities() -> frozenset[int] | None:
    held = linux.effective_capabilities()
    if linux.CAP_SETPCAP not in held:  # without it nothing can be dropped
        return None
    return CAPABILITIES - {next(number for number in _DISPENSABLE if number in held)}


def _watch(paths: set[str], directory: str) -> dict[str, int]:
    """The paths' ctimes, when the clock of the file system has passed them: whatever happens now gives later ones."""
    watched = {path: ctime for path in paths if (ctime := _ctime(path)) is not None}
    newest = max(watched.values())
    with tempfile.TemporaryFile(dir=directory) as probe:
        while os.fstat(probe.fileno()).st_ctime_ns <= newest:
            os.utime(probe.fileno())
    return watched


def _ctime(path: str) -> int | None:
    try:
        return os.lstat(f"/{path}").st_ctime_ns
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_mounts(before: dict[str, str]) -> None:
    """A command may rename a directory that leads to a mount point; put that back, or nothing below could be."""
    for identity, path in mount_points().items():
        old = before.get(identity, path)
        if old == path:
            continue
        while os.path.basename(old) == os.path.basename(path) and old != path:
            old, path = os.path.dirname(old), os.path.dirname(path)
        os.rename(path, old)
        raise OSError(0, f"the command has renamed {old!r} to {path!r}, which holds mount points of this container")
