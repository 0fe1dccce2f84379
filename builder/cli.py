"""argv and environment → options → exit code. The only place that prints usage or turns errors into exit codes."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from builder import __version__, flags, log
from builder.errors import BuilderError, UsageError
from builder.options import BuildOptions, CommonOptions, RegistryFlags, ReviewOptions

_logger = logging.getLogger("masu")
_BUG, _INTERRUPTED, _TERMINATED = 70, 130, 143


class Terminated(BaseException):
    """SIGTERM arrived; raised in the main thread so that everything unwinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`run` gets the parsed arguments and the environment and returns the exit code."""

    help: str
    tables: tuple[type, ...]
    run: Callable[[argparse.Namespace, Mapping[str, str]], int]
    arguments: tuple[tuple[str, str | None, str], ...] = ()  # name, nargs, help


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run one command; returns the exit code."""
    try:
        return _dispatch(list(argv), env)
    except BuilderError as error:
        report(error)
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has gone
        return 1
    except OSError as error:
        report(_from_the_machine(error))
        return 1
    except KeyboardInterrupt:
        return _interrupted("interrupted", _INTERRUPTED)
    except Terminated:
        return _interrupted("terminated", _TERMINATED)
    except Exception:  # noqa: BLE001 - the one boundary: anything else is a bug in masu
        return _bug()


def _dispatch(argv: list[str], env: Mapping[str, str]) -> int:
    name, rest = (argv[0], argv[1:]) if argv else ("help", [])
    name = {"--version": "version", "--help": "help", "-h": "help"}.get(name, name)
    if name not in COMMANDS:
        known = ", ".join(COMMANDS)
        raise UsageError(f"unknown command {name!r}", hint=f"commands are {known}; see masu help")
    command = COMMANDS[name]
    if any(word in ("--help", "-h") for word in _before_double_dash(rest)) and command.tables:
        _parser(name).print_help()
        return 0
    signal.signal(signal.SIGTERM, _terminate)
    arguments = _parser(name).parse_args(flags.split_booleans(rest, command.tables))
    if command.tables:
        log.configure(_common(arguments, env), terminal=sys.stderr.isatty())
    return command.run(arguments, env)


def _before_double_dash(words: list[str]) -> list[str]:
    return words[: words.index("--")] if "--" in words else words


def _parser(name: str) -> flags.Parser:
    command = COMMANDS[name]
    usage = " ".join(
        [
            "masu",
            name,
            *(["[OPTIONS]"] if command.tables else []),
            *(_usage(label, nargs) for label, nargs, _ in command.arguments),
        ]
    )
    parser = flags.Parser(prog=f"masu {name}", usage=usage, description=command.help)
    for label, nargs, help in command.arguments:
        parser.add_argument(label.lower(), metavar=label, nargs=nargs, help=help)
    for table in command.tables:
        flags.add_flags(parser, table)
    return parser


def _usage(label: str, nargs: str | None) -> str:
    return {"?": f"[{label}]", "*": f"[{label}...]", "...": f"[{label}...]"}.get(nargs or "", label)


def _common(arguments: argparse.Namespace, env: Mapping[str, str]) -> CommonOptions:
    return flags.read(CommonOptions, arguments, env)


def _build(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    from builder.build import build, show_plan

    options, registry = flags.read(BuildOptions, arguments, env), flags.read(RegistryFlags, arguments, env)
    common = _common(arguments, env)
    if arguments.path:
        if arguments.context:
            raise UsageError("the context is given twice, as an argument and with --context")
        options = replace(options, context=arguments.path)
    call, form = _call(options)
    if call != "build":
        return _review(call, form, options, arguments, env)
    _prepare(env, takes_turns=True)
    if options.dry_run:
        print(show_plan(options, registry, common, env), end="")  # noqa: T201 - what was asked for
        return 0
    build(options, registry, common, env)
    return 0


def _call(options: BuildOptions) -> tuple[str, str]:
    """What is to be done, and the form of the answer; `--call` is docker's flag, as `check` and `check,format=json`."""
    call, _, form = options.call.partition(",")
    form = form.removeprefix("format=") or options.check_format
    if call == "build" and options.check:
        call = "check"
    if call not in ("build", "check", "outline", "targets") or form not in ("text", "json"):
        raise UsageError(
            f"invalid --call {options.call!r}", hint="write build, check, outline or targets, and ,format=json after it"
        )
    return call, form


def _review(call: str, form: str, options: BuildOptions, arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    from builder.review import REVIEWS

    answer = REVIEWS[call](options, flags.read(RegistryFlags, arguments, env), _common(arguments, env), env, form)
    print(answer.text, end="")  # noqa: T201 - what was asked for
    if answer.error:
        raise answer.error
    return 0 if answer.clean else 1


def _outline(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    return _told("outline", arguments, env)


def _targets(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    return _told("targets", arguments, env)


def _told(call: str, arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    given = flags.read(ReviewOptions, arguments, env)
    if arguments.path and arguments.context:
        raise UsageError("the context is given twice, as an argument and with --context")
    options = BuildOptions(
        dockerfile=given.dockerfile,
        context=arguments.path or given.context,
        build_arg=given.build_arg,
        build_context=given.build_context,
        target=given.target,
        custom_platform=given.custom_platform,
    )
    return _review(call, given.format, options, arguments, env)


def _run(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    from builder.trial import run_image

    common = _common(arguments, env)
    _prepare(env, takes_turns=True)
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    return run_image(arguments.image, command, common, env)


def _list(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    from builder.inventory import list_images

    print(list_images(_common(arguments, env), env), end="")  # noqa: T201
    return 0


def _pull(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    from builder.inventory import pull

    print(pull(arguments.image, flags.read(RegistryFlags, arguments, env), _common(arguments, env), env))  # noqa: T201
    return 0


def _prepare(env: Mapping[str, str], *, takes_turns: bool) -> None:
    """What must be done before the first thread starts and anything is read."""
    from builder import sandbox

    if takes_turns:
        sandbox.take_turn()
    if os.geteuid() != 0:
        _become_root(env)
    sandbox.guard()


def _become_root(env: Mapping[str, str]) -> None:
    """An ordinary user works in a user namespace of his own; in masu's image only with a range of ids: traced does better."""
    from builder.sandbox import userns
    from builder.sandbox.own import own_directory

    try:
        count = userns.enter(env, with_one_id=own_directory() is None)
    except BuilderError as error:
        _logger.debug("working without root's rights: %s; owners are recorded", error.message)
        return
    _logger.debug("working in a user namespace with %d ids", count)
    if count == 1:
        _logger.warning("this user has one id only: owners are recorded in the image, but a RUN can't change any")
        _logger.warning("  (install newuidmap and give the user a range in /etc/subuid and /etc/subgid)")


def _version(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    print(f"masu {__version__}")  # noqa: T201
    return 0


def _help(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    if arguments.topic:
        if arguments.topic not in COMMANDS:
            raise UsageError(f"unknown command {arguments.topic!r}", hint=f"commands are {', '.join(COMMANDS)}")
        _parser(arguments.topic).print_help()
        return 0
    lines = ["masu builds container images from Dockerfiles, without a daemon and without privileges.", "", "Commands:"]
    lines += [f"  {name:<12}{command.help}" for name, command in COMMANDS.items()]
    print("\n".join([*lines, "", "masu help COMMAND tells the options of one."]))  # noqa: T201
    return 0


def _doctor(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    from builder.doctor import examine

    common = _common(arguments, env)
    _prepare(env, takes_turns=False)
    text, usable = examine(arguments.registry, flags.read(RegistryFlags, arguments, env), common, env)
    print(text, end="")  # noqa: T201 - what was asked for
    return 0 if usable else 1


def _completion(arguments: argparse.Namespace, env: Mapping[str, str]) -> int:
    from builder.completion import script

    print(script(arguments.shell, {name: command.tables for name, command in COMMANDS.items()}), end="")  # noqa: T201
    return 0


COMMANDS: Mapping[str, Command] = {
    "build": Command(
        help="build an image from a Dockerfile",
        tables=(BuildOptions, RegistryFlags, CommonOptions),
        run=_build,
        arguments=(("PATH", "?", "the build context"),),
    ),
    "outline": Command(
        help="tell the arguments, secrets and ssh sockets that a Dockerfile's target takes",
        tables=(ReviewOptions, RegistryFlags, CommonOptions),
        run=_outline,
        arguments=(("PATH", "?", "the build context"),),
    ),
    "targets": Command(
        help="tell the stages of a Dockerfile that can be built",
        tables=(ReviewOptions, RegistryFlags, CommonOptions),
        run=_targets,
        arguments=(("PATH", "?", "the build context"),),
    ),
    "run": Command(
        help="run an image of the store in a sandbox, to try it",
        tables=(CommonOptions,),
        run=_run,
        arguments=(("IMAGE", None, "its name in the store"), ("COMMAND", "...", "instead of the image's own")),
    ),
    "ls": Command(help="list the images of the store", tables=(CommonOptions,), run=_list),
    "pull": Command(
        help="copy an image from a registry into the store",
        tables=(RegistryFlags, CommonOptions),
        run=_pull,
        arguments=(("IMAGE", None, "its reference"),),
    ),
    "doctor": Command(
        help="tell what this machine allows, and which sandbox a build would use",
        tables=(RegistryFlags, CommonOptions),
        run=_doctor,
        arguments=(("REGISTRY", "*", "hosts to reach; Docker Hub if none is given"),),
    ),
    "completion": Command(
        help="print a completion script for bash, zsh or fish",
        tables=(),
        run=_completion,
        arguments=(("SHELL", None, "which shell"),),
    ),
    "version": Command(help="print the version", tables=(), run=_version),
    "help": Command(help="tell what a command does", tables=(), run=_help, arguments=(("TOPIC", "?", "a command"),)),
}


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def _interrupted(word: str, code: int) -> int:
    """Leave at once: transfers under way in other threads must not keep a cancelled build alive."""
    sys.stderr.write(f"masu: {word}\n")
    sys.stderr.flush()
    os._exit(code)


def _from_the_machine(error: OSError) -> BuilderError:
    """A refusal of the kernel that nobody closer to it has put into words."""
    _logger.debug("where it happened:", exc_info=error)
    what = (error.strerror or str(error)).lower()
    where = f": {error.filename!r}" if error.filename else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "free some space, or give --state-dir on a larger disk" if full else "-v debug shows where in masu it happened"
    return BuilderError(f"{'disk full, ' if full else ''}{what}{where}", hint=hint)


def report(error: BuilderError) -> None:
    """Print it and what to do about it, as everything that can go wrong is shown."""
    sys.stdout.flush()
    sys.stderr.write(f"error: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"hint: {error.hint}\n")


def _bug() -> int:
    traceback.print_exc()
    sys.stderr.write(f"masu {__version__}: this is a bug in masu; please report it with the lines above\n")
    return _BUG
