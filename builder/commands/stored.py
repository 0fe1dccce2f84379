"""The verbs of the local store."""

from __future__ import annotations

from builder.commands.command import Call
from builder.commands.prepare import prepare
from builder.options import CommonOptions, RegistryFlags


def ls(call: Call) -> int:
    from builder.inventory import list_images

    print(list_images(call.options(CommonOptions), call.env), end="")  # noqa: T201 - what was asked for
    return 0


def pull(call: Call) -> int:
    from builder.inventory import pull

    print(pull(call.word("image"), call.options(RegistryFlags), call.options(CommonOptions), call.env))  # noqa: T201 - the digest
    return 0


def run(call: Call) -> int:
    from builder.trial import run_image

    common = call.options(CommonOptions)
    prepare(call.env, takes_turns=True)
    command = call.words("command")
    return run_image(call.word("image"), command[1:] if command[:1] == ("--",) else command, common, call.env)
