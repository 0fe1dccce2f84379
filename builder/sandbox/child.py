"""Starts a sandbox child: a Python program of its own, since the builder has threads and must not fork itself."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builder import process as door
from builder.errors import SandboxError
from builder.sandbox import descriptors

_PACKAGE_ROOT = str(Path(__file__).parents[2])
START = "import sys; sys.path.insert(0, sys.argv[3]); from builder.sandbox.{module} import main; main()"
_CHUNK = 1 << 16
_SILENCE = 100  # milliseconds

Output = Callable[[bytes], None]
"""Gets what a process prints, as it comes, and nothing whenever nothing has come for a while; it ends the process by raising."""


def run_child(
    module: str, spec: Mapping[str, object], *, output: Output, pass_fds: tuple[int, ...] = (), stdin: int | None = None
) -> tuple[int, dict[str, Any]]:
    """Run `main` of this module of the package with `spec` and these descriptors; it never outlives this call.

    Its standard input is the descriptor `stdin`, or empty. Returns its exit code and what it answered. Raises SandboxError with
    what kept it from running the process.
    """
    text = json.dumps({**spec, "descriptors": descriptors.commands()})
    spec_file = _memory_file(text.encode("utf-8", "surrogateescape"))
    try:
        answer_file = _memory_file(b"")
        try:
            argv = [sys.executable, "-I", "-S", "-c", START.format(module=module)]
            argv += [str(spec_file), str(answer_file), _PACKAGE_ROOT]
            code = _run(argv, (spec_file, answer_file, *pass_fds), output, stdin)
            answer: dict[str, Any] = json.loads(os.pread(answer_file, os.fstat(answer_file).st_size, 0) or b"{}")
        finally:
            os.close(answer_file)
    finally:
        os.close(spec_file)
    if "problem" in answer:
        raise SandboxError(answer["problem"])
    return code, answer


def _run(argv: list[str], pass_fds: tuple[int, ...], output: Output, stdin: int | None) -> int:
    child = door.start(argv, env={"LC_ALL": "C.UTF-8"}, pass_fds=pass_fds, stdin=stdin)
    try:
        assert child.stdout is not None
        stdout = child.stdout.fileno()
        poll = select.poll()
        poll.register(stdout, select.POLLIN)
        while True:
            if not poll.poll(_SILENCE):
                output(b"")
            elif chunk := os.read(stdout, _CHUNK):
                output(chunk)
            else:
                return _exit_code(child.wait())
    finally:
        child.terminate()  # for a child that has something to put in order; the others die of it
        child.wait()
        if child.stdout:
            child.stdout.close()


def _exit_code(status: int) -> int:
    """Of a child that a signal ended, as a shell has it."""
    return status if status >= 0 else 128 - status


def _memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("masu-sandbox", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
