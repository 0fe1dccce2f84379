"""Logins at registries."""

from __future__ import annotations

import sys

from builder.commands.command import Call
from builder.options import LoginOptions, RegistryFlags


def login(call: Call) -> int:
    from builder.login import Console, log_in

    console = Console(stdin=sys.stdin.buffer, is_terminal=sys.stdin.isatty())
    print(log_in(call.word("registry"), call.options(LoginOptions), call.options(RegistryFlags), call.env, console))  # noqa: T201 - the answer
    return 0


def logout(call: Call) -> int:
    from builder.login import log_out

    print(log_out(call.word("registry"), call.env))  # noqa: T201 - the answer
    return 0
