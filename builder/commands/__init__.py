"""The table of commands: a verb is one row. What a row's function needs it imports itself, so that each verb starts fast."""

from __future__ import annotations

from collections.abc import Mapping

from builder.commands import accounts, building, machine, stored
from builder.commands.command import Argument, Call, Command, own_words, parser_of
from builder.errors import UsageError
from builder.options import (
    BuildOptions,
    CommonOptions,
    HistoryOptions,
    InspectOptions,
    KanikoOptions,
    ListOptions,
    LoadOptions,
    LoginOptions,
    PruneOptions,
    PullOptions,
    PushOptions,
    RegistryFlags,
    RemoveOptions,
    ReviewOptions,
    RunOptions,
    SaveOptions,
    UnpackOptions,
    UsageOptions,
    VersionOptions,
    WarmerOptions,
)

__all__ = ["COMMANDS", "Argument", "Call", "Command", "command_of", "own_words", "parser_of"]


_INSTEAD = {
    "bake": "build each target by itself: masu build --target NAME; what one leaves in the cache the others find",
    "images": "the images of the store are listed by masu ls",
    "rmi": "images of the store are removed by masu rm",
    "buildx": "write masu build, with the flags of docker buildx build",
}
"""What those mean who come from docker, or from Kaniko's fork."""


def command_of(name: str, commands: Mapping[str, Command]) -> Command:
    """Raises UsageError when there is none of that name."""
    if name not in commands:
        hint = _INSTEAD.get(name) or f"commands are {', '.join(commands)}; see masu help"
        raise UsageError(f"unknown command {name!r}", hint=hint)
    return commands[name]


def _help(call: Call) -> int:
    topic = call.word("topic")
    if topic:
        parser_of(topic, command_of(topic, call.commands)).print_help()
        return 0
    lines = ["masu builds container images from Dockerfiles, without a daemon and without privileges.", "", "Commands:"]
    lines += [f"  {name:<12}{command.help}" for name, command in call.commands.items()]
    print("\n".join([*lines, "", "masu help COMMAND tells the options of one."]))  # noqa: T201 - what was asked for
    return 0


def _completion(call: Call) -> int:
    from builder.completion import script

    tables = {name: command.tables for name, command in call.commands.items()}
    print(script(call.word("shell"), tables), end="")  # noqa: T201 - what was asked for
    return 0


_PATH = Argument(name="PATH", count="?", help="the build context")
_IMAGE = Argument(name="IMAGE", help="its name in the store, or the beginning of its digest or id")
_IMAGES = Argument(name="IMAGE", count="+", help=_IMAGE.help)

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
    "explain": Command(
        help="tell which steps of a build are cached, and why others aren't, without building",
        tables=(BuildOptions, KanikoOptions, RegistryFlags, CommonOptions),
        run=building.explain,
        arguments=(_PATH,),
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
        tables=(RunOptions, CommonOptions),
        run=stored.run,
        arguments=(_IMAGE, Argument(name="COMMAND", count="...", help="instead of the image's CMD")),
    ),
    "ls": Command(help="list the images of the store", tables=(ListOptions, CommonOptions), run=stored.ls),
    "pull": Command(
        help="copy images from registries into the store",
        tables=(PullOptions, RegistryFlags, CommonOptions),
        run=stored.pull,
        arguments=(Argument(name="IMAGE", count="+", help="its reference"),),
    ),
    "push": Command(
        help="push an image of the store, of an OCI layout or of an archive",
        tables=(PushOptions, RegistryFlags, CommonOptions),
        run=stored.push,
        arguments=(Argument(name="IMAGE", help="its name or digest in the store, the layout's directory, or the archive"),),
    ),
    "tag": Command(
        help="give an image of the store one more name",
        tables=(CommonOptions,),
        run=stored.tag,
        arguments=(Argument(name="SOURCE", help=_IMAGE.help), Argument(name="NAME", help="the new name")),
    ),
    "rm": Command(
        help="remove names from the store, and what nobody else needs of their images",
        tables=(RemoveOptions, CommonOptions),
        run=stored.rm,
        arguments=(_IMAGES,),
    ),
    "inspect": Command(
        help="tell what an image is: manifest, config, sizes",
        tables=(InspectOptions, RegistryFlags, CommonOptions),
        run=stored.inspect,
        arguments=(_IMAGE,),
    ),
    "history": Command(
        help="tell how an image was made, layer by layer",
        tables=(HistoryOptions, CommonOptions),
        run=stored.history,
        arguments=(_IMAGE,),
    ),
    "save": Command(
        help="write images into an archive, for docker load and others",
        tables=(SaveOptions, CommonOptions),
        run=stored.save,
        arguments=(_IMAGES,),
    ),
    "load": Command(
        help="store the images of an archive, as docker save and others write it",
        tables=(LoadOptions, CommonOptions),
        run=stored.load,
    ),
    "unpack": Command(
        help="unpack an image's root filesystem into a directory",
        tables=(UnpackOptions, CommonOptions),
        run=stored.unpack,
        arguments=(_IMAGE, Argument(name="DIRECTORY", help="a new directory, or an empty one")),
    ),
    "du": Command(help="tell how much disk the store and all else take", tables=(UsageOptions, CommonOptions), run=machine.du),
    "prune": Command(
        help="remove from the disk what nothing uses",
        tables=(PruneOptions, CommonOptions),
        run=machine.prune,
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
    "version": Command(help="print the version", tables=(VersionOptions,), run=machine.version),
    "help": Command(
        help="tell what a command does",
        tables=(),
        run=_help,
        arguments=(Argument(name="TOPIC", count="?", help="a command"),),
    ),
}
