"""masu's step image in a container as a CI job has it: root, the engine's default capabilities, its seccomp filter.

The container is new and empty each time, and its start is counted. What goes on in it is measured from inside, by the busybox of
the debug image: the engine isn't the builder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.area import Area
from bench.cases import Case
from bench.contestants.contestant import Contestant
from bench.contestants.engine import DockerEngine
from bench.errors import BenchError, Unavailable
from bench.measure import Measurement, Watch, measure
from builder import __version__

_ARCHIVE = Path(__file__).resolve().parents[2] / "build" / "debug.tar"
_TIME = ("/busybox/time", "-v", "/kaniko/executor")


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    if not _ARCHIVE.exists():
        raise Unavailable("there is no step image: run make image")
    yield _Container(area, DockerEngine(area, "container"))


class _Container:
    def __init__(self, area: Area, engine: DockerEngine) -> None:
        self.version = f"masu {__version__} in a container"
        self._area = area
        self._engine = engine
        self._image = ""

    @contextmanager
    def cold(self) -> Iterator[None]:
        with self._engine.running():
            self._image = self._engine.say("load", "--quiet", "--input", _ARCHIVE).rpartition(": ")[2]
            yield

    def build(self, case: Case, target: str) -> Measurement:
        volume = f"{self._engine.system.path(case.context)}:/context:ro"
        options = ["--rm", "--network", "host", "--volume", volume, "--entrypoint", _TIME[0]]
        argv = [*self._engine.argv(), "run", *options, self._image, *_TIME[1:], "--context", "/context", "--destination", target]
        log = self._area.path / "container.log"
        measured = measure(argv, env=self._engine.env(), log=log, watch=Watch(programs=()))
        return _from_inside(measured, log.read_text(errors="replace"))


def _from_inside(measured: Measurement, report: str) -> Measurement:
    """Wall clock from outside, the rest as time(1) tells it; the largest process counts, whoever's it is."""

    def figure(name: str) -> float:
        found = re.search(rf"{re.escape(name)}: ([0-9.]+)", report)
        if found is None:
            raise BenchError(f"time(1) doesn't tell {name!r}")
        return float(found[1])

    cpu = figure("User time (seconds)") + figure("System time (seconds)")
    # busybox takes ru_maxrss for pages, though Linux gives kB (getrusage(2)), and multiplies.
    peak = int(figure("Maximum resident set size (kbytes)")) * 1024 * 1024 // os.sysconf("SC_PAGE_SIZE")
    return replace(measured, cpu=cpu, peak=peak)
