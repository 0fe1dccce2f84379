"""What tells about masu itself, the machine it is on and the place it takes there, and frees that."""

from __future__ import annotations

import json
import sys
import time

from builder import __version__
from builder.commands.command import Call
from builder.commands.prepare import prepare
from builder.options import CommonOptions, PruneOptions, RegistryFlags, UsageOptions, VersionOptions


def doctor(call: Call) -> int:
    from builder.doctor import examine

    common = call.options(CommonOptions)
    prepare(call.env, takes_turns=False)
    text, usable = examine(call.words("registry"), call.options(RegistryFlags), common, call.env)
    print(text, end="")  # noqa: T201 - what was asked for
    return 0 if usable else 1


def du(call: Call) -> int:
    from builder.disk import usage

    options, common = call.options(UsageOptions), call.options(CommonOptions)
    prepare(call.env, takes_turns=False)  # files in there may belong to other ids of the user
    print(usage(options, common, call.env), end="")  # noqa: T201 - what was asked for
    return 0


def prune(call: Call) -> int:
    from builder.disk import prune
    from builder.sandbox.own import own_directory

    options, common = call.options(PruneOptions), call.options(CommonOptions)
    prepare(call.env, takes_turns=False)
    # In masu's own image a killed build may have left its files in /: the next build puts them back, and removes its work.
    with_work = own_directory() is None
    for line in prune(options, common, call.env, now=time.time(), with_work=with_work):
        print(line, end="", flush=True)  # noqa: T201 - what was asked for
    return 0


def version(call: Call) -> int:
    import platform  # costs as much as all else of `version`, and every command comes by here

    about = {"version": __version__, "python": platform.python_version(), "platform": f"{sys.platform}/{platform.machine()}"}
    told = json.dumps(about) if call.options(VersionOptions).format == "json" else f"masu {__version__}"
    print(told)  # noqa: T201 - what was asked for
    return 0
