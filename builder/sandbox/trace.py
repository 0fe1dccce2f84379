"""The outer sandbox child of `traced`: starts PRoot, and ends all that a command leaves behind. Stdlib only."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any, NoReturn

from builder.sandbox import descendants, linux
from builder.sandbox.begin import SIGKILLED, die_with_parent, fail, read_spec

_FILES = 1024  # the kernel's own default


def main() -> NoReturn:
    """Read the specification from descriptor argv[1]; exits with the process's exit code. filtered.py answers in argv[2]."""
    specification, answer = int(sys.argv[1]), int(sys.argv[2])
    spec = read_spec(os.dup(specification))
    os.lseek(specification, 0, os.SEEK_SET)  # it is read once more, inside
    try:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        descendants.adopt()
        die_with_parent(signal.SIGTERM)
        if spec["processor"] is not None:
            os.sched_setaffinity(0, {spec["processor"]})
        child = os.fork()
        if child == 0:
            _trace(spec, specification, answer)
        try:
            descendants.wait_for(child)
        finally:
            descendants.end_all()
    except Exception as error:  # noqa: BLE001 - this program's last boundary: the builder shows what it was
        fail(answer, error)
    os._exit(_code(answer))


def _trace(spec: dict[str, Any], specification: int, answer: int) -> NoReturn:
    try:
        die_with_parent()
        descendants.unblock()
        _limit_files()
        descriptors = {"SPEC": str(specification), "ANSWER": str(answer)}
        environment = spec["environment"]
        if spec["loader"] is None:
            del environment["PROOT_LOADER"]
        os.execve(spec["proot"][0], [descriptors.get(word, word) for word in spec["proot"]], environment)
    except Exception as error:  # noqa: BLE001 - the forked child must not go on in its parent's code
        fail(answer, error)


def _limit_files() -> None:
    """Programs close every descriptor up to the limit, which takes 20 µs each when traced: containers like to allow a million."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft > _FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, hard))


def _code(answer: int) -> int:
    """What the process ended with; SIGKILL's code if nobody is left who could tell."""
    told = json.loads(os.pread(answer, os.fstat(answer).st_size, 0) or b"{}")
    return int(told.get("code", SIGKILLED))
