"""What a container of the step image runs."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from builder import cli

_SHELLS = ("sh", "bash", "ash", "dash")


def main() -> NoReturn:
    """argv and environment → exit code."""
    os.umask(0o022)
    argv = sys.argv[1:]
    if argv and os.path.basename(argv[0]) in _SHELLS:
        os.execvp(argv[0], argv)
    env = {"MASU_STATE_DIR": "/kaniko/state", **os.environ}
    if not argv or argv[0].startswith("-"):
        argv = ["version"] if argv == ["--version"] else ["build", "--context=/workspace", *argv]
    sys.exit(cli.main(argv, env))
