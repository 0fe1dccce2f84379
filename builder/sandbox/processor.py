"""A program of its own that finds out whether processes that wake one another up are much faster on one processor. Stdlib only.

On virtual machines waking another processor can cost 100 µs where the same one takes 10: whoever is traced waits that long for
each system call.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from typing import NoReturn

from builder.sandbox.begin import die_with_parent, fail, tell

_ROUNDS = 60
_CLEARLY = 3.0


def main() -> NoReturn:
    """Answer in descriptor argv[2] with the `processor` to stay on, None if it is better not to."""
    answer = int(sys.argv[2])
    try:
        die_with_parent()
        tell(answer, {"processor": _best()})
    except Exception as error:  # noqa: BLE001 - this program's last boundary: the builder shows what it was
        fail(answer, error)
    os._exit(0)


def _best() -> int | None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        return None
    free = _round_trip()
    processor = random.choice(allowed)
    os.sched_setaffinity(0, {processor})
    return processor if free > _CLEARLY * _round_trip() else None


def _round_trip() -> float:
    """Seconds from waking another process to being woken by it; the median of some."""
    there, back = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(there[1])
        while os.read(there[0], 1):
            os.write(back[1], b"x")
        os._exit(0)
    times = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        os.write(there[1], b"x")
        os.read(back[0], 1)
        times.append(time.perf_counter() - start)
    for descriptor in (*there, *back):
        os.close(descriptor)
    os.waitpid(child, 0)
    return statistics.median(times)
