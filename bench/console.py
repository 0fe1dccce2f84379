"""What the benchmark says while it works, on standard error."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    print(f"bench: {line}", file=sys.stderr, flush=True)


def loudly(line: str) -> None:
    """Something that a reader of the figures must know."""
    print(f"bench: *** {line} ***", file=sys.stderr, flush=True)
