"""Run one command and measure it: wall clock, CPU of the whole process tree, peak memory of the builder's largest process."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

_INTERVAL = 0.05  # seconds; the kernel keeps the high-water mark, so only what a process grows in its last moment is missed
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Seconds, seconds, bytes."""

    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """`programs`: how the names of the builder's own processes (/proc/PID/comm) begin; `engine`: its daemon's pid."""

    programs: tuple[str, ...]
    engine: int | None = None


def measure(argv: Sequence[str | Path], *, env: Mapping[str, str], log: Path, watch: Watch) -> Measurement:
    """Run to the end, output into `log`; raises BenchError with the end of it when the command fails."""
    before = _engine_cpu(watch)
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(argv, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    with _Sampler([process.pid, *([watch.engine] if watch.engine else [])], watch.programs) as sampler:
        process.returncode, usage = _wait(process.pid)
        wall = time.monotonic() - started
    if process.returncode:
        raise BenchError(f"{Path(argv[0]).name} failed with {process.returncode}: {log.read_text(errors='replace')[-2000:]}")
    cpu = usage.ru_utime + usage.ru_stime + _engine_cpu(watch) - before
    return Measurement(wall=wall, cpu=cpu, peak=sampler.peak)


def _wait(pid: int) -> tuple[int, resource.struct_rusage]:
    """Exit code and resources; an interruption takes the process and what it started along."""
    try:
        _, status, usage = os.wait4(pid, 0)
    except BaseException:
        for each in list(descendants(pid)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return os.waitstatus_to_exitcode(status), usage


def _engine_cpu(watch: Watch) -> float:
    """Seconds that the daemon, its living descendants and those they have waited for have used so far."""
    return sum(_cpu(pid) for pid in descendants(watch.engine)) if watch.engine else 0.0


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / _TICK  # utime stime cutime cstime, proc_pid_stat(5)


def descendants(pid: int) -> Iterator[int]:
    """The process itself and everything below it."""
    yield pid
    for child in _children(pid):
        yield from descendants(child)


def _children(pid: int) -> Iterator[int]:
    """Those of each of its threads; none when it, or the thread, has gone meanwhile."""
    directory = f"/proc/{pid}/task"
    with suppress(OSError):
        for thread in os.listdir(directory):
            with suppress(OSError):
                yield from map(int, Path(directory, thread, "children").read_text().split())


class _Sampler:
    """Reads the memory marks of the builder's processes until its context ends; `peak` is the highest, in bytes."""

    def __init__(self, roots: Sequence[int], programs: tuple[str, ...]) -> None:
        self.peak = 0
        self._roots = roots
        self._programs = programs
        self._done = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="sample")

    def __enter__(self) -> _Sampler:
        self._work_done = self._pool.submit(self._work)
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._work_done.result()
        self._pool.shutdown()

    def _work(self) -> None:
        while not self._done.wait(_INTERVAL):
            pids = [pid for root in self._roots for pid in descendants(root)]
            self.peak = max([self.peak, *(_high_water_mark(pid, self._programs) for pid in pids)])


def _high_water_mark(pid: int, programs: Collection[str]) -> int:
    """Bytes; 0 for a process that isn't the builder's or is gone."""
    try:
        name = Path(f"/proc/{pid}/comm").read_text()
        status = Path(f"/proc/{pid}/status").read_text() if name.startswith(tuple(programs)) else ""
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
