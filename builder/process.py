"""The one door to subprocess: argument lists only, an environment built from nothing, output bounded or passed on."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from builder.errors import BuilderError
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    returncode: int
    stdout: bytes
    stderr: bytes


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    input: bytes = b"",
    timeout: float = 60.0,
    pass_fds: Sequence[int] = (),
    umask: int = -1,
) -> Finished:
    """Run a helper program to its end; `timeout` in seconds, `umask` -1 for our own.

    Raises BuilderError when it can't run or takes longer.
    """
    try:
        done = subprocess.run(
            list(argv),
            env=dict(env),
            input=input,
            capture_output=True,
            timeout=timeout,
            pass_fds=tuple(pass_fds),
            umask=umask,
            check=False,
        )
    except FileNotFoundError as error:
        raise BuilderError(f"can't run {argv[0]!r}: no such program") from error
    except PermissionError as error:
        raise BuilderError(f"can't run {argv[0]!r}: permission denied") from error
    except subprocess.TimeoutExpired as error:
        raise BuilderError(f"{argv[0]!r} took longer than {timeout:.0f} seconds") from error
    return Finished(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)


def start(
    argv: Sequence[str], *, env: Mapping[str, str], pass_fds: Sequence[int] = (), stdin: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, both outputs in one pipe; the caller waits for it.

    Its standard input is the descriptor `stdin`, or empty.
    """
    return subprocess.Popen(
        list(argv),
        env=dict(env),
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
        close_fds=True,
    )
