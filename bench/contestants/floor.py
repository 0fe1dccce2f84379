"""The least that any builder must do: unpack the base, run the commands, copy, compress. No registry, no diff, no image."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.area import Area
from bench.cases import Case
from bench.contestants.contestant import Contestant
from bench.errors import Unavailable
from bench.measure import Measurement, Watch, measure

_ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    if os.geteuid() != 0:
        raise Unavailable("the floor unpacks and runs as root")
    yield _Floor(area)


class _Floor:
    def __init__(self, area: Area) -> None:
        self.version = "floor"
        self._area = area

    @contextmanager
    def cold(self) -> Iterator[None]:
        (self._area.fresh("floor") / "root").mkdir()
        yield
        self._area.fresh("floor")

    def build(self, case: Case, target: str) -> Measurement:
        script = "\n".join(["set -e", *_steps(case, self._area.path / "floor" / "root")])
        env = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(_ROOT)}
        watch = Watch(programs=("python",))
        return measure(["bash", "-c", script], env=env, log=self._area.path / "floor.log", watch=watch)


def _steps(case: Case, root: Path) -> Iterator[str]:
    """As shell commands."""
    python = shlex.quote(sys.executable)
    for layer in case.base.layers if case.base else ():
        yield f"{python} -m isal.igzip -dc {layer.path} | tar -x --numeric-owner -p -C {root}"
    if case.copied and case.base:
        yield f"cp -r {case.context / case.copied} {root}/app"
    for command in case.commands:
        yield f"chroot {root} sh -c {shlex.quote(command)}"
    if case.copied:
        yield f"{python} -m bench.compress {case.context / case.copied}"
