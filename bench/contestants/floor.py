"""The least that any builder must do: unpack the bases that RUN needs, run commands, copy, compress what is new in the last.

No registry, no diff, no image. Of a second build on the same machine it is the last step alone.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.area import Area
from bench.cases import Case
from bench.contestants.contestant import Contestant
from bench.errors import Unavailable
from bench.measure import Measurement, Watch, measure
from bench.recipe import Copy, Run, Stage

_ROOT = Path(__file__).resolve().parents[2]
_PYTHON = shlex.quote(sys.executable)


@contextmanager
def opened(area: Area) -> Iterator[Contestant]:
    if os.geteuid() != 0:
        raise Unavailable("the floor unpacks and runs as root")
    yield _Floor(area)


class _Floor:
    def __init__(self, area: Area) -> None:
        self.version = "floor"
        self._area = area
        self._built = False

    @contextmanager
    def machine(self, case: Case) -> Iterator[None]:
        self._area.fresh("floor")
        self._built = False
        yield
        self._area.fresh("floor")

    def build(self, case: Case, target: str) -> Measurement:
        work = _Work(case, self._area.path / "floor")
        script = "\n".join(["set -eo pipefail", *(work.last_step() if self._built else work.all())])
        self._built = True
        env = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(_ROOT)}
        watch = Watch(programs=("python",))
        argv = ["unshare", "--mount", "bash", "-c", script]  # mounts are gone with it
        return measure(argv, env=env, log=self._area.path / "floor.log", watch=watch)


class _Work:
    """A case as shell commands, one after the other; stages have their root directories below `roots`."""

    def __init__(self, case: Case, roots: Path) -> None:
        self._case = case
        self._roots = roots

    def all(self) -> Iterator[str]:
        for number, stage in enumerate(self._case.stages):
            yield f"mkdir {self._root(number)}"
            if stage.base and _runs(stage.steps):
                yield from self._unpack(stage, self._root(number))
            for position, step in enumerate(stage.steps):
                yield from self._step(step, number, is_run_in=_runs(stage.steps[position:]))
        yield from self._compress(self._case.last.steps)

    def last_step(self) -> Iterator[str]:
        step = self._case.last.steps[-1]
        yield from self._step(step, len(self._case.stages) - 1, is_run_in=isinstance(step, Run))
        yield from self._compress([step])

    def _root(self, number: int) -> Path:
        return self._roots / f"root{number}"

    def _unpack(self, stage: Stage, root: Path) -> Iterator[str]:
        for layer in stage.base.layers if stage.base else ():
            yield f"{_PYTHON} -m isal.igzip -dc {layer.path} | tar -x --numeric-owner -p -C {root}"
        yield f"mount --rbind /dev {root}/dev && mount -t proc proc {root}/proc"

    def _step(self, step: Copy | Run, number: int, *, is_run_in: bool) -> Iterator[str]:
        """What is copied matters only if a command can read it, or another stage."""
        root = self._root(number)
        if isinstance(step, Run):
            yield f"chroot {root} sh -c {shlex.quote(step.command)}"
        elif is_run_in:
            target = f"{root}{step.target}"
            yield f"mkdir -p {target if target.endswith('/') else os.path.dirname(target)}"
            source = self._source(step)
            yield f"if [ -d {source} ]; then cp -a {source}/. {target}; else cp -a {source} {target}; fi"

    def _source(self, copy: Copy) -> Path:
        return self._case.context / copy.source if copy.stage is None else Path(f"{self._root(copy.stage)}{copy.source}")

    def _compress(self, steps: Sequence[Copy | Run]) -> Iterator[str]:
        """All in one stream, as the smallest number of processes is the fastest."""
        paths = [str(self._source(step)) for step in steps if isinstance(step, Copy)]
        root = self._root(len(self._case.stages) - 1)
        paths += [f"{root}{made}" for step in steps if isinstance(step, Run) for made in step.makes]
        if paths:
            yield f"tar -c -P --numeric-owner {' '.join(paths)} | {_PYTHON} -m bench.compress"


def _runs(steps: Sequence[Copy | Run]) -> bool:
    return any(isinstance(step, Run) for step in steps)
