"""The table of commands: a verb is one row. What a row's function needs it imports itself, so that each verb starts fast."""

from __future__ import annotations

from collections.abc import Mapping

from builder.commands import accounts, building, machine, stored
from builder.commands.command import Argument, Call, Command, parser_of
from builder.errors import UsageError
from builder.options import (
    BuildOptions,
    CommonOptions,
    KanikoOptions,
    LoginOptions,
    RegistryFlags,
    ReviewOptions,
    WarmerOptions,
)

__all__ = ["COMMANDS", "Call", "Command", "command_of", "parser_of"]


def command_of(name: str) -> Command:
    """Raises UsageError when there is none of that name."""
    if name not in COMMANDS:
        raise UsageError(f"unknown command {name!r}", hint=f"commands are {', '.join(COMMANDS)}; see masu help")
    return COMMANDS[name]


def _help(call: Call) -> int:
    topic = call.word("topic")
    if topic:
        parser_of(topic, command_of(topic)).print_help()
        return 0
    lines = ["masu builds container images from Dockerfiles, without a daemon and without privileges.", "", "Commands:"]
    lines += [f"  {name:<12}{command.help}" for name, command in COMMANDS.items()]
    print("\n".join([*lines, "", "masu help COMMAND tells the options of one."]))  # noqa: T201 - what was asked for
    return 0


def _completion(call: Call) -> int:
    from builder.completion import script

    tables = {name: command.tables for name, command in COMMANDS.items()}
    print(script(call.word("shell"), tables), end="")  # noqa: T201 - what was asked for
    return 0


_PATH = Argument(name="PATH", count="?", help="the build context")

COMMANDS: Mapping[str, Command] = {
    "build": Command(
        help="build an image from a Dockerfile",
        tables=(BuildOptions, KanikoOptions, RegistryFlags, CommonOptions),
        run=building.build,
        arguments=(_PATH,),
    ),
    "warmer": Command(
        help="fetch base images into a directory, for builds with --cache",
        tables=(WarmerOptions, RegistryFlags, CommonOptions),
        run=building.warmer,
    ),
    "outline": Command(
        help="tell the arguments, secrets and ssh sockets that a Dockerfile's target takes",
        tables=(ReviewOptions, RegistryFlags, CommonOptions),
        run=building.outline,
        arguments=(_PATH,),
    ),
    "targets": Command(
        help="tell the stages of a Dockerfile that can be built",
        tables=(ReviewOptions, RegistryFlags, CommonOptions),
        run=building.targets,
        arguments=(_PATH,),
    ),
    "run": Command(
        help="run an image of the store in a sandbox, to try it",
        tables=(CommonOptions,),
        run=stored.run,
        arguments=(
            Argument(name="IMAGE", help="its name in the store"),
            Argument(name="COMMAND", count="...", help="instead of the image's own"),
        ),
    ),
    "ls": Command(help="list the images of the store", tables=(CommonOptions,), run=stored.ls),
    "pull": Command(
        help="copy an image from a registry into the store",
        tables=(RegistryFlags, CommonOptions),
        run=stored.pull,
        arguments=(Argument(name="IMAGE", help="its reference"),),
    ),
    "login": Command(
        help="keep a user's name and password for a registry, as docker login does",
        tables=(LoginOptions, RegistryFlags, CommonOptions),
        run=accounts.login,
        arguments=(Argument(name="REGISTRY", count="?", help="its host; Docker Hub if none is given"),),
    ),
    "logout": Command(
        help="forget them",
        tables=(CommonOptions,),
        run=accounts.logout,
        arguments=(Argument(name="REGISTRY", count="?", help="its host; Docker Hub if none is given"),),
    ),
    "doctor": Command(
        help="tell what this machine allows, and which sandbox a build would use",
        tables=(RegistryFlags, CommonOptions),
        run=machine.doctor,
        arguments=(Argument(name="REGISTRY", count="*", help="hosts to reach; Docker Hub if none is given"),),
    ),
    "completion": Command(
        help="print a completion script for bash, zsh or fish",
        tables=(),
        run=_completion,
        arguments=(Argument(name="SHELL", help="which shell"),),
    ),
    "version": Command(help="print the version", tables=(), run=machine.version),
    "help": Command(
        help="tell what a command does",
        tables=(),
        run=_help,
        arguments=(Argument(name="TOPIC", count="?", help="a command"),),
    ),
}
