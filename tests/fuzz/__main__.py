"""Builds made-up cases with masu and with Docker: `python -m tests.fuzz --count 500 --seed 1` (`make fuzz N=500 SEED=1`).

A case that comes out differently is made smaller and written to `.cache/fuzz/SEED.case`, ready for tests/e2e/cases.
"""

from __future__ import annotations

import argparse
import collections
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.compare import EngineTrouble, UnusableCase, Verdict, compare
from tests.fuzz.generate import case_text, generate
from tests.fuzz.shrink import shrink
from tests.support.bases import CACHE, Bases, serve_bases
from tests.support.cases import Case
from tests.support.oracle import Docker, start_docker


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the first case; 0 takes the clock")
    parser.add_argument("--no-shrink", action="store_true")
    options = parser.parse_args()
    first = options.seed or int(time.time())
    try:
        docker = start_docker()
    except pytest.skip.Exception as skipped:
        say(f"nothing to compare with: {skipped}")
        return 1
    with serve_bases(debian=False) as bases:
        return _Run(docker=docker, bases=bases, shrink=not options.no_shrink).all(range(first, first + options.count))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _Run:
    def __init__(self, *, docker: Docker, bases: Bases, shrink: bool) -> None:
        self.docker, self.bases, self.shrink = docker, bases, shrink
        self.built = self.unusable = self.done = 0
        self.failed: list[int] = []
        self.mix: collections.Counter[str] = collections.Counter()
        self.began = time.monotonic()

    def all(self, seeds: range) -> int:
        say(f"seeds {seeds.start} to {seeds.stop - 1}")
        for seed in seeds:
            self.one(seed)
            if self.done % 25 == 0 or seed == seeds[-1]:
                say(self.progress())
        say("instructions: " + ", ".join(f"{name} {count}" for name, count in self.mix.most_common()))
        say(f"failing seeds: {self.failed}" if self.failed else "no difference that isn't explained")
        return 1 if self.failed else 0

    def one(self, seed: int) -> None:
        case = generate(seed)
        self.done += 1
        self.mix.update(word.upper() for word in re.findall(r"^([A-Za-z]+) ", case.sections["Dockerfile"], re.MULTILINE))
        try:
            verdict = compare(case, self.docker, self.bases)
        except UnusableCase:
            self.unusable += 1
            return
        except EngineTrouble as trouble:
            raise SystemExit(f"seed {seed}: {trouble}") from trouble
        self.built += verdict.built
        if verdict.kind:
            self.failed.append(seed)
            self.report(case, verdict, seed)

    def report(self, case: Case, verdict: Verdict, seed: int) -> None:
        say(f"--- seed {seed}: {verdict.kind}\n{verdict.text}")
        if self.shrink:
            case = shrink(case, self.fails_like(verdict))
        path = CACHE / "fuzz" / f"{seed}.case"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(case_text(case))
        say(f"{case_text(case)}--- written to {_shown(path)}")

    def fails_like(self, verdict: Verdict) -> Callable[[Case], bool]:
        def fails(case: Case) -> bool:
            try:
                found = compare(case, self.docker, self.bases)
            except UnusableCase:
                return False
            return found.kind == verdict.kind and (not verdict.fields or bool(found.fields & verdict.fields))

        return fails

    def progress(self) -> str:
        seconds = time.monotonic() - self.began
        share, each = 100 * self.built // self.done, seconds / self.done
        return (
            f"{self.done} cases, {share} % built by both, {len(self.failed)} differ, {self.unusable} unusable, {each:.1f} s each"
        )


def _shown(path: Path) -> str:
    return str(path.relative_to(CACHE.parent))


if __name__ == "__main__":
    sys.exit(main())
