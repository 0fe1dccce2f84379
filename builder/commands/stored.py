"""The verbs of the local store: what is in it, names, and the way to and from registries and archives."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from builder.commands.command import Call
from builder.commands.prepare import prepare
from builder.options import (
    CommonOptions,
    HistoryOptions,
    InspectOptions,
    ListOptions,
    LoadOptions,
    PullOptions,
    PushOptions,
    RegistryFlags,
    RemoveOptions,
    RunOptions,
    SaveOptions,
    UnpackOptions,
)


def ls(call: Call) -> int:
    from builder.inventory import list_images

    return _tell([list_images(call.options(ListOptions), call.options(CommonOptions), call.env)], end="")


def inspect(call: Call) -> int:
    from builder.inventory import inspect

    options, registry, common = call.options(InspectOptions), call.options(RegistryFlags), call.options(CommonOptions)
    sys.stdout.buffer.write(inspect(call.word("image"), options, registry, common, call.env))
    sys.stdout.buffer.flush()
    return 0


def history(call: Call) -> int:
    from builder.inventory import history

    return _tell([history(call.word("image"), call.options(HistoryOptions), call.options(CommonOptions), call.env)], end="")


def tag(call: Call) -> int:
    from builder.naming import tag_image

    tag_image(call.word("source"), call.word("name"), call.options(CommonOptions), call.env)
    return 0


def rm(call: Call) -> int:
    from builder.naming import remove_images

    names = remove_images(call.words("image"), call.options(RemoveOptions), call.options(CommonOptions), call.env)
    return _tell(f"Untagged: {name}" for name in names)


def pull(call: Call) -> int:
    from builder.transfer import pull_images

    options, registry, common = call.options(PullOptions), call.options(RegistryFlags), call.options(CommonOptions)
    return _tell(str(digest) for digest in pull_images(call.words("image"), options, registry, common, call.env))


def push(call: Call) -> int:
    from builder.transfer import push_image

    options, registry, common = call.options(PushOptions), call.options(RegistryFlags), call.options(CommonOptions)
    return _tell([str(push_image(call.word("image"), options, registry, common, call.env))])


def save(call: Call) -> int:
    from builder.archives import save_images

    options, common = call.options(SaveOptions), call.options(CommonOptions)
    save_images(call.words("image"), options, common, call.env, sys.stdout.buffer)
    return 0


def load(call: Call) -> int:
    from builder.archives import load_images

    return _tell(load_images(call.options(LoadOptions), call.options(CommonOptions), call.env, sys.stdin.buffer))


def unpack(call: Call) -> int:
    from builder.unpacked import unpack_image

    options, common = call.options(UnpackOptions), call.options(CommonOptions)
    unpack_image(call.word("image"), Path(call.word("directory")), options, common, call.env)
    return 0


def run(call: Call) -> int:
    from builder.trial import run_image

    options, common = call.options(RunOptions), call.options(CommonOptions)
    prepare(call.env, takes_turns=True)
    command = call.words("command")
    return run_image(call.word("image"), command[1:] if command[:1] == ("--",) else command, options, common, call.env)


def _tell(lines: Iterable[str], *, end: str = "\n") -> int:
    """What was asked for, on standard output, each line when it is known."""
    for line in lines:
        print(line, end=end, flush=True)  # noqa: T201
    return 0
