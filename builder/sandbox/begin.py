"""What every sandbox child does in its last moments: directory, limits, identity, then execve(2) along PATH. Stdlib only.

A child answers its builder in a file in memory: nothing in it means that the process ran.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from typing import Any, NoReturn

from builder.sandbox import descriptors, linux

# The capabilities that docker gives a container (moby, oci/caps/defaults.go), by number: CHOWN DAC_OVERRIDE FOWNER FSETID KILL
# SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP.
CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})
SIGKILLED = 128 + signal.SIGKILL

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


def read_spec(descriptor: int) -> dict[str, Any]:
    """What the builder wants done: a Process and more, as JSON; from then on we have no more descriptors than a command."""
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        spec: dict[str, Any] = json.load(file)
    descriptors.lower(spec["descriptors"])
    return spec


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Get this signal when the builder dies, however that comes about."""
    parent = os.getppid()
    linux.prctl(linux.PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:  # it died before the call
        os._exit(SIGKILLED)


def begin(spec: dict[str, Any], answer: int, *, capabilities: frozenset[int] | None) -> NoReturn:
    """Become the process: directory, identity, at most these capabilities, environment, then execve(2) along PATH.

    `capabilities` None: those that there are.
    """
    os.umask(0o022)
    os.makedirs(spec["cwd"], exist_ok=True)
    os.chdir(spec["cwd"])
    _limit(spec["limits"])
    if capabilities is not None and not spec["insecure"]:
        linux.drop_bounding_capabilities(capabilities)
    _become(spec["uid"], spec["gid"], spec["groups"])
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    _exec_along_path(spec["argv"], spec["env"], answer)


def _limit(limits: list[list[int]]) -> None:
    for number, soft, hard in limits:
        try:
            resource.setrlimit(number, (soft, hard))
        except (OSError, ValueError) as error:
            raise OSError(errno.EPERM, f"can't set resource limit {number} to {soft}:{hard}: {error}") from None


def _become(uid: int, gid: int, groups: list[int]) -> None:
    try:
        if groups or os.getgroups():
            os.setgroups(groups)
    except PermissionError:
        # Denied for good in a user namespace that maps one id (user_namespaces(7)), where nobody has other groups.
        if set(groups) - {gid}:
            raise OSError(
                errno.EPERM, f"can't take on the groups {groups} of uid {uid}: this user namespace has one id only"
            ) from None
    try:
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        message = f"can't become uid {uid}, gid {gid}: {error.strerror}; does this user namespace map them?"
        raise OSError(error.errno, message) from None


def _exec_along_path(argv: list[str], env: dict[str, str], answer: int) -> NoReturn:
    program = argv[0]
    path = env.get("PATH", "")
    candidates = [program] if "/" in program else [os.path.join(folder, program) for folder in path.split(":") if folder]
    code, problem = _NOT_FOUND, f"no such program in PATH {path!r}" if "/" not in program else "no such file"
    for candidate in candidates:
        try:
            os.execve(candidate, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.exists(candidate):
                problem = "its interpreter is missing"
        except OSError as error:
            code, problem = _NOT_EXECUTABLE, os.strerror(error.errno or 0)
    os.write(2, f"exec {program!r}: {problem}\n".encode("utf-8", "surrogateescape"))
    os.close(answer)
    os._exit(code)


def fail(answer: int, error: Exception) -> NoReturn:
    """Tell the builder what kept the process from running."""
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}: {error.filename!r}" if error.filename else error.strerror
    tell(answer, {"problem": message})
    os._exit(1)


def tell(answer: int, what: dict[str, Any]) -> None:
    """Write the answer; there is one only."""
    os.ftruncate(answer, 0)
    os.pwrite(answer, json.dumps(what).encode("utf-8", "surrogateescape"), 0)


def exit_code(status: int) -> int:
    """Of a wait status, as a shell tells it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
