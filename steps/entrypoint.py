"""What a container of the step image runs: a shell if one is asked for, else masu, with the conventions of Kaniko's image.

`/kaniko/executor` is `masu build` of /workspace unless its first word is a command of masu's; `/kaniko/masu` is masu as it is.
The place of a platform's adapter is around `cli.main`: arguments and environment go in, an exit code comes out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from typing import NoReturn

from builder import cli
from builder.errors import BuilderError
from steps import shell
from steps.surroundings import completed

_CONTEXT = "/workspace"
"""Kaniko's default, wherever it is called."""


def main() -> NoReturn:
    """What `image/executor` calls."""
    os.umask(0o022)
    sys.exit(run(sys.argv, os.environ))


def run(argv: Sequence[str], env: MutableMapping[str, str]) -> int:
    """Run what `argv` asks for, its first word being the program's path; completes `env`. Returns the exit code."""
    program, arguments = os.path.basename(argv[0]), list(argv[1:])
    try:
        if arguments and shell.is_one(arguments[0]):
            shell.become(arguments, env)
        if program == "warmer":
            raise _no_warmer()
    except BuilderError as error:
        cli.report(error)
        return error.exit_code
    env.update(completed(env))
    if program == "executor" and _is_build(arguments):
        env.setdefault("MASU_CONTEXT", _CONTEXT)
        arguments = ["build", *arguments]
    return cli.main(arguments, env)


def _is_build(arguments: Sequence[str]) -> bool:
    """Whether they are flags only, as Kaniko's are."""
    return not arguments or (arguments[0].startswith("-") and arguments[0] != "--version")


def _no_warmer() -> BuilderError:
    return BuilderError(
        "there is no warmer yet",
        hint="leave this step out: a build downloads what it needs of a base image by itself, and at the same time as it works",
    )
