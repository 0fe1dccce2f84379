"""What a container of the step image runs: a shell if one is asked for, else masu, with the conventions of Kaniko's image.

`/kaniko/executor` is `masu build` of /workspace unless its first word is a command of masu's, `/kaniko/warmer` is `masu warmer`,
and `/kaniko/masu` is masu as it is. `step NAME` after either takes inputs as that CI platform gives them.
On a platform that is known (`platforms.py`) its adapter says what goes around the log and what is written when a build is over.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from builder import cli
from builder.errors import BuilderError, UsageError
from builder.journal import Failure
from steps import platforms, report, shell
from steps.adapter import Adapter, Invocation
from steps.commands import COMMANDS
from steps.outcome import Outcome
from steps.surroundings import completed

_CONTEXT = "/workspace"
"""Kaniko's default, wherever it is called."""
_DOCKERFILE = "Dockerfile"
"""Kaniko's default; one in the current directory, as of a job in its checkout, goes before the context's."""
_COMMANDS = {"executor": "build", "warmer": "warmer"}
"""What Kaniko's programs do when they are given flags alone."""
_STEP, _BUILD = "step", "build"


def main() -> NoReturn:
    """What `image/executor` calls."""
    os.umask(0o022)
    cli.open_streams()
    cli.leave(run(sys.argv, os.environ))


def run(argv: Sequence[str], env: MutableMapping[str, str]) -> int:
    """Run what `argv` asks for, its first word being the program's path; completes `env`. Returns the exit code."""
    program, arguments = os.path.basename(argv[0]), list(argv[1:])
    try:
        if arguments and shell.is_one(arguments[0]):
            shell.become(arguments, env)
        env.update(completed(env))
    except BuilderError as error:
        cli.print_error(error)
        return error.exit_code
    if program in _COMMANDS and _are_flags(arguments):
        arguments = [_COMMANDS[program], *arguments]
        env.setdefault("MASU_CONTEXT", _CONTEXT)
        if os.path.isfile(_DOCKERFILE):
            env.setdefault("MASU_DOCKERFILE", _DOCKERFILE)
    return on_platform(arguments, env)


def on_platform(arguments: Sequence[str], env: MutableMapping[str, str]) -> int:
    """Run a command of masu's for the platform that `env` tells of, if any; completes `env`. Returns the exit code."""
    try:
        if list(arguments[:1]) == [_STEP]:
            return _step(arguments[1:], env)
        adapter = platforms.detected(env)
        return _reported(arguments, env, adapter) if adapter else cli.main(arguments, env, commands=COMMANDS)
    except BuilderError as error:
        cli.print_error(error)
        return error.exit_code


def _step(words: Sequence[str], env: MutableMapping[str, str]) -> int:
    """`step NAME WORDS…`."""
    if not words:
        raise UsageError("no platform is named", hint=f"write step and one of {', '.join(platforms.ADAPTERS)}")
    env[platforms.NAMED] = words[0]
    adapter = platforms.named(words[0])
    try:
        asked = adapter.arguments(words[1:], env)
    except BuilderError as error:
        cli.print_error(error, harmless=adapter.decoration(env).harmless)
        report.write(adapter.reports(Outcome.of(error.exit_code, {}, failure=Failure.of(error)), env))
        return error.exit_code
    sys.stderr.write(asked.before)
    env.update(asked.env)
    with _changed_files(asked):
        return _reported(asked.argv, env, adapter)


@contextmanager
def _changed_files(asked: Invocation) -> Iterator[None]:
    """Without the stale files, and with the private ones meanwhile. Raises BuilderError."""
    with ExitStack() as stack:
        try:
            if any(map(os.path.lexists, asked.stale)):
                sys.stderr.write(asked.replacing)
            for path in (*asked.stale, *asked.files):
                Path(path).unlink(missing_ok=True)
            for path, text in asked.files.items():
                stack.callback(Path(path).unlink, missing_ok=True)
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise BuilderError(
                f"can't prepare {path!r}: {error.strerror}", hint="this step must be able to write there"
            ) from error
        yield


def _reported(arguments: Sequence[str], env: MutableMapping[str, str], adapter: Adapter) -> int:
    """Run the core's command and write what the platform is to be told, also of a failure, or when a signal ends it.

    Raises BuilderError if it can't be told.
    """
    env.update({name: value for name, value in adapter.defaults(env).items() if not env.get(name)})
    decoration, errors, here = adapter.decoration(env), list[BuilderError](), os.getcwd()

    def show(error: BuilderError) -> None:
        errors.append(error)
        cli.print_error(error, harmless=decoration.harmless)

    def tell(code: int, error: BaseException | None) -> None:
        metadata: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}
        if dockerfile := metadata.get("masu.dockerfile"):
            metadata["masu.dockerfile"] = os.path.join(here, dockerfile)
        if metadata or code:
            failure = Failure.of(error) if error else None
            report.write(adapter.reports(Outcome.of(code, metadata, failure=failure), env))

    def leave(code: int, signalled: BaseException) -> None:
        try:
            tell(code, signalled)
        except BuilderError as error:
            show(error)
        temporary.cleanup()

    with (temporary := _temporary_directory(env)) as directory:
        file = Path(directory, "metadata.json")
        code = cli.main(_telling(arguments, file), env, decoration=decoration, report=show, leaving=leave, commands=COMMANDS)
        with cli.undisturbed():
            tell(code, errors[-1] if errors else None)
    return code


def _temporary_directory(env: Mapping[str, str]) -> tempfile.TemporaryDirectory[str]:
    """Raises BuilderError."""
    try:
        return tempfile.TemporaryDirectory(prefix="masu-", dir=env.get("TMPDIR"))
    except OSError as error:
        hint = "mount a volume that this user can write at /tmp (in a pod an emptyDir), or name one by TMPDIR"
        raise BuilderError(f"no place for temporary files: {error.strerror}: {error.filename!r}", hint=hint) from error


def _telling(arguments: Sequence[str], file: Path) -> list[str]:
    """A build is to write what it did to this file, too."""
    return [arguments[0], "--metadata-file", str(file), *arguments[1:]] if list(arguments[:1]) == [_BUILD] else list(arguments)


def _are_flags(arguments: Sequence[str]) -> bool:
    """Whether they are flags only, as Kaniko's are."""
    return not arguments or (arguments[0].startswith("-") and arguments[0] != "--version")
