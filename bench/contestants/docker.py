"""docker buildx with the engine's own BuildKit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.area import Area
from bench.cases import Case
from bench.contestants.contestant import Contestant
from bench.contestants.engine import DockerEngine
from bench.measure import Measurement, Watch, measure

_PROGRAMS = ("dockerd", "containerd", "docker", "buildx")


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    engine = DockerEngine(area, "docker")
    with engine.running():  # proves that an engine starts here
        version = f"docker {engine.say('version', '--format', '{{.Server.Version}}')}"
    yield _Docker(area, engine, version)


class _Docker:
    def __init__(self, area: Area, engine: DockerEngine, version: str) -> None:
        self.version = version
        self._area = area
        self._engine = engine

    def cold(self) -> AbstractContextManager[None]:
        return self._engine.running()

    def build(self, case: Case, target: str) -> Measurement:
        options = ["--no-cache", "--pull", "--push", "--network", "host", "--progress", "plain"]
        argv: list[str | Path] = [*self._engine.argv(), "buildx", "build", *options, "--tag", target, case.context]
        watch = Watch(programs=_PROGRAMS, engine=self._engine.pid)
        log = self._area.path / "docker.log"
        return measure(argv, env=self._engine.env(), log=log, watch=watch)
