"""masu's step image in a container as a CI job has it: root, the engine's default capabilities, its seccomp filter.

The platform starts the container of a job, whoever builds in it: that isn't counted. What goes on in it is measured from inside,
by the busybox of the debug image: neither the engine is the builder, nor its client that gets the command into the container.
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
from bench.contestants.masu import cache_flags
from bench.errors import BenchError, Unavailable
from bench.measure import Measurement, Watch, measure
from builder import __version__

_ARCHIVE = Path(__file__).resolve().parents[2] / "build" / "debug.tar"
_SLEEP = ("/busybox/sleep", "infinity")
_TIME = ("/busybox/time", "-v", "/kaniko/executor")
_KEPT = "/cache/layers"


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
        self._container = ""

    @contextmanager
    def machine(self, case: Case) -> Iterator[None]:
        with self._engine.running():
            image = self._engine.say("load", "--quiet", "--input", _ARCHIVE).rpartition(": ")[2]
            volume = f"{self._engine.system.path(case.context)}:/context:ro"
            options = ["--detach", "--network", "host", "--volume", volume, "--entrypoint", _SLEEP[0]]
            self._container = self._engine.say("run", *options, image, *_SLEEP[1:])
            yield
            self._engine.say("kill", self._container)

    def build(self, case: Case, target: str) -> Measurement:
        own = ["--context", "/context", "--destination", target, *cache_flags(case, target, kept=_KEPT)]
        argv = [*self._engine.argv(), "exec", self._container, *_TIME, *own]
        log = self._area.path / "container.log"
        measured = measure(argv, env=self._engine.env(), log=log, watch=Watch(programs=()))
        return _from_inside(measured, log.read_text(errors="replace"))


def _from_inside(measured: Measurement, report: str) -> Measurement:
    """All as time(1) tells it; the largest process counts for the peak, whoever's it is."""

    def figure(name: str) -> str:
        found = re.search(rf"{re.escape(name)}: (.+)", report)
        if found is None:
            raise BenchError(f"time(1) doesn't tell {name!r}")
        return found[1]

    minutes, _, seconds = figure("Elapsed (wall clock) time (h:mm:ss or m:ss)").rpartition("m ")
    if "h" in minutes:
        raise BenchError("a build of an hour is no build to compare")
    wall = int(minutes) * 60 + float(seconds.rstrip("s"))
    cpu = float(figure("User time (seconds)")) + float(figure("System time (seconds)"))
    # busybox takes ru_maxrss for pages, though Linux gives kB (getrusage(2)), and multiplies.
    peak = int(figure("Maximum resident set size (kbytes)")) * 1024 * 1024 // os.sysconf("SC_PAGE_SIZE")
    return replace(measured, wall=wall, cpu=cpu, peak=peak)
