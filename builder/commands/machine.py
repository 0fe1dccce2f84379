"""What tells about masu itself and the machine it is on."""

from __future__ import annotations

from builder import __version__
from builder.commands.command import Call
from builder.commands.prepare import prepare
from builder.options import CommonOptions, RegistryFlags


def doctor(call: Call) -> int:
    from builder.doctor import examine

    common = call.options(CommonOptions)
    prepare(call.env, takes_turns=False)
    text, usable = examine(call.words("registry"), call.options(RegistryFlags), common, call.env)
    print(text, end="")  # noqa: T201 - what was asked for
    return 0 if usable else 1


def version(call: Call) -> int:
    print(f"masu {__version__}")  # noqa: T201 - what was asked for
    return 0
