"""Runs the step image's programs many times without starting Python each time: a child of its own for every run.

`python -m tests.support.forks` has everything imported, reads one request a line and answers each with a line; `Forks` is the
other end of it. It has one thread, so that it may fork.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]


class Forks:
    """A context manager."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forks"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.communicate(timeout=60)

    def run(self, argv: Sequence[str], env: Mapping[str, str], *, cwd: Path, stdin: Path, out: Path, err: Path) -> int:
        """The exit code of `argv`, whose first word is the path of the program in the image."""
        files = {"cwd": str(cwd), "stdin": str(stdin), "out": str(out), "err": str(err)}
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps({"argv": list(argv), "env": dict(env), **files}) + "\n")
        self._server.stdin.flush()
        code: int = json.loads(self._server.stdout.readline())
        return code


def _serve() -> None:
    for module in ("builder.build", "builder.context.http", "builder.registry.repository", "builder.warmer", "steps.entrypoint"):
        importlib.import_module(module)

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(json.dumps(os.waitstatus_to_exitcode(status)) + "\n")
        sys.stdout.flush()


def _become(request: dict[str, Any]) -> None:
    from steps.entrypoint import run

    code = 99
    try:
        os.chdir(request["cwd"])
        for number, (name, flags) in enumerate(
            (("stdin", os.O_RDONLY), ("out", os.O_WRONLY | os.O_CREAT), ("err", os.O_WRONLY | os.O_CREAT))
        ):
            os.dup2(os.open(request[name], flags, 0o644), number)
        os.environ.clear()
        os.environ.update(request["env"])
        code = run(request["argv"], os.environ)
        sys.stdout.flush()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 98
    except BaseException:  # noqa: BLE001 - a child of fork must end here
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
