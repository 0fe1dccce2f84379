"""argv and environment → options → exit code. The only place that prints usage or turns errors into exit codes."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from builder import __version__, flags, log
from builder.commands import COMMANDS, Call, Command, command_of, own_words, parser_of
from builder.decoration import Bare, Decoration
from builder.errors import BuilderError, Terminated, hint_of
from builder.options import CommonOptions

_logger = logging.getLogger("masu")
_BUG, _INTERRUPTED, _TERMINATED = 70, 130, 143


def main(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    decoration: Decoration | None = None,
    report: Callable[[BuilderError], None] | None = None,
    leaving: Callable[[int, BaseException], None] | None = None,
    commands: Mapping[str, Command] = COMMANDS,
) -> int:
    """Run one of `commands`; returns the exit code. `decoration` is put into the log, and errors are given to `report`.

    When a signal ends it this doesn't return: the process ends, with the exit code that `leaving` is told before.
    """
    decoration, report = decoration or Bare(), report or print_error
    try:
        try:
            return _dispatch(list(argv), env, decoration, commands)
        except BuilderError as error:
            report(error)
            return error.exit_code
        except BrokenPipeError:  # whoever read our output has gone
            return 1
        except OSError as error:
            report(_from_the_machine(error))
            return 1
        except Exception:  # noqa: BLE001 - the one boundary: anything else is a bug in masu
            return _bug()
    except (KeyboardInterrupt, Terminated) as error:  # also one that came while an error was shown
        _leave(error, leaving)


def open_streams() -> None:
    """Where the program was started without one of the standard streams it is /dev/null, as Go's programs have it.

    Else the next file that is opened would take its number, and get what is printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, so the stream's own
            os.set_inheritable(descriptor, True)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", errors="surrogateescape"))  # noqa: SIM115 - until the end


@contextmanager
def undisturbed() -> Iterator[None]:
    """No signal ends what is done meanwhile: it takes no time, and must not stay half done."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _dispatch(argv: list[str], env: Mapping[str, str], decoration: Decoration, commands: Mapping[str, Command]) -> int:
    name, rest = (argv[0], argv[1:]) if argv else ("help", [])
    name = {"--version": "version", "--help": "help", "-h": "help"}.get(name, name)
    command = command_of(name, commands)
    parser = parser_of(name, command)
    count = own_words(rest, command)
    own, others = rest[:count], rest[count:]
    if any(word in ("--help", "-h") for word in own) and command.tables:
        parser.print_help()
        return 0
    signal.signal(signal.SIGTERM, _terminate)
    own = flags.split_booleans(flags.attach_values(own, command.tables), command.tables)
    parsed = parser.parse_args([*own, *others])
    call = Call(env=env, parsed=parsed, decoration=decoration, commands=commands)
    if command.tables:
        log.configure(call.options(CommonOptions), terminal=sys.stderr.isatty(), decoration=decoration)
    return command.run(call)


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def _leave(signalled: BaseException, leaving: Callable[[int, BaseException], None] | None) -> NoReturn:
    """At once: transfers under way in other threads must not keep a cancelled build alive, nor a second signal stop this."""
    word, code = ("terminated", _TERMINATED) if isinstance(signalled, Terminated) else ("interrupted", _INTERRUPTED)
    with undisturbed():
        sys.stderr.write(log.in_form(f"masu: {word}\n", level=logging.ERROR))
        try:
            if leaving:
                leaving(code, signalled)
        except Exception:  # noqa: BLE001 - as above
            _bug()
        sys.stderr.flush()
        os._exit(code)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, 1 if what was printed can't all be written.

    At once: taking the interpreter apart takes longer than starting many a command, and at this point nothing is open any more.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        if not code and not isinstance(error, BrokenPipeError):
            os.write(2, f"error: can't write what was to be printed: {error.strerror}\n".encode())
        code = code or 1
    os._exit(code)


def _from_the_machine(error: OSError) -> BuilderError:
    """A refusal of the kernel that nobody closer to it has put into words."""
    _logger.debug("where it happened:", exc_info=error)
    what = (error.strerror or str(error)).lower()
    where = f": {error.filename!r}" if error.filename else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    debug = "-v debug shows where in masu it happened"
    hint = "free some space, or give --state-dir on a larger disk" if full else hint_of(error) or debug
    return BuilderError(f"{'disk full, ' if full else ''}{what}{where}", hint=hint)


def print_error(error: BuilderError, *, harmless: Callable[[str], str] = str) -> None:
    """Print it and what to do about it, as everything that can go wrong is shown; `harmless` changes the text."""
    with suppress(OSError):  # which may be the error to be told
        sys.stdout.flush()
    hint = f"hint: {error.hint}\n" if error.hint else ""
    text = harmless(f"error{f' {error.under_way}' if error.under_way else ''}: {error.message}\n{hint}")
    sys.stderr.write(log.in_form(text, level=logging.ERROR))


def _bug() -> int:
    traceback.print_exc()
    sys.stderr.write(f"masu {__version__}: this is a bug in masu; please report it with the lines above\n")
    return _BUG
