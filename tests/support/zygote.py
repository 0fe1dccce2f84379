"""Runs many masu commands quickly: a process that has the modules loaded forks for each, and measures what it took.

`python -m tests.support.zygote` reads a line of JSON for each command and answers with one; `Zygote` talks to it.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
_PRELOADED = ("builder.build", "builder.context.http", "builder.registry.repository", "builder.commands")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`code` is the exit code, negative for a signal; `memory` in bytes is the most that was resident."""

    code: int
    stderr: str
    memory: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Zygote:
    process: subprocess.Popen[bytes]
    directory: Path

    def __call__(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: Path | None = None, seconds: float = 40
    ) -> Ended:
        """Run `masu ARGV` to its end; it is killed after `seconds`."""
        said = self.directory / "stderr"
        order = {"argv": list(argv), "env": dict(env), "cwd": str(cwd), "stdin": str(stdin or os.devnull), "stderr": str(said)}
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({**order, "seconds": seconds}).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return Ended(stderr=said.read_text(errors="replace"), **answer)


@contextmanager
def start_zygote(directory: Path, *, enter: Callable[[Sequence[str]], Sequence[str]] = list) -> Iterator[Zygote]:
    """`enter` makes of a command one that runs elsewhere, in a network of its own for example."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(directory)}
    command = [sys.executable, "-m", "tests.support.zygote"]
    with subprocess.Popen(enter(command), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Zygote(process=process, directory=directory)
        assert process.stdin
        process.stdin.close()


def main() -> None:
    import importlib

    for name in _PRELOADED:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "wb")
    for line in sys.stdin.buffer:
        answers.write(json.dumps(_run(json.loads(line))).encode() + b"\n")
        answers.flush()


def _run(order: Mapping[str, object]) -> dict[str, float]:
    child = os.fork()
    if child == 0:
        _become_masu(order)
    deadline = time.monotonic() + float(str(order["seconds"]))
    pidfd = os.pidfd_open(child)
    if not select.select([pidfd], [], [], deadline - time.monotonic())[0]:
        os.kill(child, signal.SIGKILL)
    os.close(pidfd)
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    return {"code": os.waitstatus_to_exitcode(status), "memory": usage.ru_maxrss * 1024, "seconds": seconds}


def _become_masu(order: Mapping[str, object]) -> None:
    code = 99
    try:
        stdin: IO[bytes] = open(str(order["stdin"]), "rb")  # noqa: SIM115 - for the rest of the process
        os.dup2(stdin.fileno(), 0)
        output = os.open(str(order["stderr"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(str(order["cwd"]))
        from builder import cli

        os.environ.clear()  # where the clouds' libraries look
        os.environ.update(order["env"])  # type: ignore[call-overload]
        code = cli.main(order["argv"], os.environ)  # type: ignore[arg-type]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
