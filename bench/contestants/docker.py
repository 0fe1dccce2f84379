"""docker buildx with the engine's own BuildKit.

Its classic image store can't export a cache, so where the registry's cache is used the engine has containerd's image store. There
the image is only pushed and not unpacked into the store, which would cost it the download of every layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from bench.area import Area
from bench.cases import Case, Reuse
from bench.contestants.contestant import Contestant, cache_of
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

    def machine(self, case: Case) -> AbstractContextManager[None]:
        return self._engine.running(*(("containerd-snapshotter",) if case.reuse is Reuse.REGISTRY else ()))

    def build(self, case: Case, target: str) -> Measurement:
        options = ["--pull", "--network", "host", "--progress", "plain", *_flags(case, target)]
        argv: list[str | Path] = [*self._engine.argv(), "buildx", "build", *options, case.context]
        watch = Watch(programs=_PROGRAMS, engine=self._engine.pid)
        log = self._area.path / "docker.log"
        return measure(argv, env=self._engine.env(), log=log, watch=watch)


def _flags(case: Case, target: str) -> tuple[str, ...]:
    match case.reuse:
        case Reuse.NOTHING:
            return ("--no-cache", "--push", "--tag", target)
        case Reuse.MACHINE:
            return ("--push", "--tag", target)
        case Reuse.REGISTRY:
            pushed = f"--output=type=image,name={target},push=true,unpack=false,store=false"
            cache = f"type=registry,ref={cache_of(target)}"
            return (pushed, f"--cache-from={cache}", f"--cache-to={cache},mode=max")
