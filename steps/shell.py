"""Hands the container over to a shell: CI runners start images with `sh -c …`, and GitLab's leave the entrypoint before it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from typing import NoReturn

from builder.errors import BuilderError

_SHELLS = frozenset({"sh", "ash", "bash", "dash"})
_OURS = "/busybox/sh"
"""Of the debug image; it is an `ash`, and no `bash`."""


def is_one(word: str) -> bool:
    """Whether it names a shell, by itself or with its path."""
    return os.path.basename(word) in _SHELLS


def become(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Go on as the shell `argv[0]`, with signals as the kernel gives them. Raises BuilderError when there is no such shell."""
    program = find(argv[0], env, ours=_OURS)
    for number in (signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):  # the interpreter ignores the latter two
        signal.signal(number, signal.SIG_DFL)
    os.execve(program, list(argv), dict(env))


def find(word: str, env: Mapping[str, str], *, ours: str) -> str:
    """The path of this shell; for a plain one also `ours`, wherever it is looked for. Raises BuilderError when there is none."""
    found = shutil.which(word, path=env.get("PATH", ""))
    if found is None and os.path.basename(word) in ("sh", "ash"):
        found = shutil.which(ours)
    if found is None:
        raise BuilderError(
            f"the container is asked to start {word!r}, and this image has no such shell",
            hint="use the debug image, which has a busybox sh in /busybox, or give masu's own arguments",
        )
    return found
