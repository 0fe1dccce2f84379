"""masu itself, as its users run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sysconfig import get_path

from bench.area import Area
from bench.cases import Case, Reuse
from bench.contestants.contestant import Contestant, cache_of
from bench.measure import Measurement, Watch, measure
from builder import __version__

_ROOT = Path(__file__).resolve().parents[2]

PROGRAM = (sys.executable, "-S", "-m", "builder")
"""As installed: without what a development environment runs at the start of Python (an editable install's finder, shims)."""


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    yield _Masu(area)


class _Masu:
    def __init__(self, area: Area) -> None:
        self.version = f"masu {__version__}"
        self._area = area

    @contextmanager
    def machine(self, case: Case) -> Iterator[None]:
        self._area.fresh("masu")
        yield
        self._area.fresh("masu")

    def build(self, case: Case, target: str) -> Measurement:
        home = self._area.path / "masu"
        watch = Watch(programs=("python", "masu"))
        return measure(build_argv(case, target, home), env=build_env(home), log=self._area.path / "masu.log", watch=watch)


def build_argv(case: Case, target: str, home: Path) -> list[str]:
    """`home`: a directory for all that masu keeps."""
    own = ["--context", str(case.context), "--destination", target, "--state-dir", str(home / "state")]
    return [*PROGRAM, "build", *own, *cache_flags(case, target, kept=f"{home}/layers")]


def build_env(home: Path) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "PYTHONPATH": f"{_ROOT}:{get_path('purelib')}"}


def cache_flags(case: Case, target: str, *, kept: str) -> tuple[str, ...]:
    """`kept`: a directory that stays on the machine."""
    match case.reuse:
        case Reuse.NOTHING:
            return ()
        case Reuse.MACHINE:
            return ("--cache", "--cache-copy-layers", "--cache-repo", f"oci:{kept}")
        case Reuse.REGISTRY:
            return ("--cache", "--cache-copy-layers", "--cache-repo", cache_of(target))
