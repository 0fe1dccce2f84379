"""masu itself, as its users run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.area import Area
from bench.cases import Case
from bench.contestants.contestant import Contestant
from bench.measure import Measurement, Watch, measure
from builder import __version__

_ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    yield _Masu(area)


class _Masu:
    def __init__(self, area: Area) -> None:
        self.version = f"masu {__version__}"
        self._area = area

    @contextmanager
    def cold(self) -> Iterator[None]:
        self._area.fresh("masu")
        yield
        self._area.fresh("masu")

    def build(self, case: Case, target: str) -> Measurement:
        state = self._area.path / "masu" / "state"
        argv: list[str | Path] = [
            sys.executable,
            "-m",
            "builder",
            "build",
            "--context",
            case.context,
            "-d",
            target,
            "--state-dir",
            state,
        ]
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(state.parent), "PYTHONPATH": str(_ROOT)}
        return measure(argv, env=env, log=self._area.path / "masu.log", watch=Watch(programs=("python", "masu")))
