"""What a container of the step image runs: a shell if one is asked for, else masu, with the conventions of Kaniko's image.

`/kaniko/executor` is `masu build` of /workspace unless its first word is a command of masu's, `/kaniko/warmer` is `masu warmer`,
and `/kaniko/masu` is masu as it is.
The place of a platform's adapter is around `cli.main`: arguments and environment go in, an exit code comes out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping, Sequence
from typing import NoReturn

from builder import cli
from builder.errors import BuilderError
from steps import cloud_build, shell
from steps.surroundings import completed

_CONTEXT = "/workspace"
"""Kaniko's default, wherever it is called."""
_COMMANDS = {"executor": "build", "warmer": "warmer"}
"""What Kaniko's programs do when they are given flags alone."""


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
        env.update(completed(env))
        if program in _COMMANDS and _are_flags(arguments):
            arguments = [_COMMANDS[program], *arguments]
            env.setdefault("MASU_CONTEXT", _CONTEXT)
        return cloud_build.reported(lambda: cli.main(arguments, env), env)
    except BuilderError as error:
        cli.report(error)
        return error.exit_code


def _are_flags(arguments: Sequence[str]) -> bool:
    """Whether they are flags only, as Kaniko's are."""
    return not arguments or (arguments[0].startswith("-") and arguments[0] != "--version")
