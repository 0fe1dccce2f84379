"""What the benchmark says while it works, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bench.errors import BenchError


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


def loudly(line: str) -> None:
    """Something that a reader of the figures must know."""
    print(f"bench: *** {line} ***", file=sys.stderr, flush=True)


def exit_code(work: Callable[[], None]) -> int:
    """Of a program that does `work`: 0, 1 when it failed, 130 after ^C."""
    try:
        work()
    except BenchError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0
