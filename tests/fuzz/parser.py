"""Many random texts for the parser, on all processors: `make fuzz-parser N=100000`."""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import sys
import time
import traceback
from collections.abc import Sequence
from random import Random

from tests.fuzz.inputs import known_dockerfiles, random_text, random_word
from tests.fuzz.robust import expand, read

_BATCH = 500
_SLOW = 2.0  # seconds for at most 20 kB: a hint to look at, not a failure
_known: list[bytes] = []


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.parser")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first text; 0 takes the clock")
    options = parser.parse_args()
    first = options.seed or int(time.time())
    outcomes: collections.Counter[str] = collections.Counter()
    problems: list[str] = []
    with multiprocessing.Pool() as pool:
        starts = range(first, first + options.count, _BATCH)
        for number, (counted, found) in enumerate(pool.imap_unordered(_batch, starts), 1):
            outcomes.update(counted)
            problems += found
            if number % 20 == 0 or number == len(starts):
                sys.stdout.write(f"{outcomes.total()} texts from seed {first}: {dict(outcomes)}, {len(problems)} problems\n")
    for problem in problems[:50]:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


def _batch(start: int) -> tuple[collections.Counter[str], list[str]]:
    if not _known:
        _known.extend(known_dockerfiles())
    outcomes: collections.Counter[str] = collections.Counter()
    problems = []
    for seed in range(start, start + _BATCH):
        outcome, problem = one(seed, _known)
        outcomes[outcome] += 1
        problems += [problem] if problem else []
    return outcomes, problems


def one(seed: int, known: Sequence[bytes]) -> tuple[str, str]:
    """What came of the text of this seed, and what was wrong with that, or an empty string."""
    rng = Random(seed)
    text = random_text(rng, known)
    began = time.monotonic()
    try:
        outcome = read(text)
        expand(random_word(rng), rng.choice("\\`"))
    except Exception:  # noqa: BLE001 - finding them is what this is for
        return "bug", f"seed {seed}: {text[:400]!r}\n{traceback.format_exc(limit=-3)}"
    if time.monotonic() - began > _SLOW:
        return outcome, f"seed {seed}: slow: {text[:400]!r}"
    return outcome, ""


if __name__ == "__main__":
    sys.exit(main())
