"""`python -m bench.profile CASE`: where masu's time goes in a case, by py-spy: the functions that were running most often."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.area import opened_area
from bench.bases import Bases
from bench.cases import CASES, Reuse, Workshop
from bench.console import exit_code
from bench.contestants.masu import build_argv, build_env
from bench.errors import BenchError
from bench.registry import served_registry
from bench.settings import FULL, SMALL
from bench.systems import fetch_systems

_RATE = 200  # samples a second
# Threads that wait for work, which py-spy sometimes takes for work.
_WAITS = ("_worker (concurrent/futures/thread.py)", "Condition.wait (threading.py)", "wait (threading.py)")
_ROOT = Path(__file__).resolve().parents[1]


def main(argv: Sequence[str]) -> int:
    """Exit code: 0, 1 when something failed, 130 after ^C."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="where masu's time goes, as a table")
    parser.add_argument("case", choices=tuple(CASES))
    parser.add_argument("--small", action="store_true", help="tiny sizes: does it work at all?")
    parser.add_argument("--rows", type=int, default=20, help="functions to tell of (default %(default)s)")
    arguments = parser.parse_args(argv)

    def work() -> None:
        stacks = _stacks(arguments.case, is_small=arguments.small)
        print("\n".join(report(stacks, rows=arguments.rows)))

    return exit_code(work)


def report(stacks: Mapping[tuple[str, ...], int], *, rows: int) -> Iterator[str]:
    """`stacks`: samples by frames, outermost first. A function counts once a stack, however deep it calls itself."""
    total = sum(stacks.values())
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for frames, count in stacks.items():
        own[frames[-1]] += count
        below.update(dict.fromkeys(frames, count))
    yield f"{total / _RATE:.1f} s of threads that were at work."
    yield from ("", "| function | itself | with what it calls |", "|---|---|---|")
    for name, count in own.most_common(rows):
        yield f"| `{name}` | {count / total:.1%} | {below[name] / total:.1%} |"


def parsed(raw: str) -> dict[tuple[str, ...], int]:
    """py-spy's raw format: `frame;frame;frame count`, a line each; processes and threads are told apart no longer."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in raw.splitlines():
        text, _, count = line.rpartition(" ")
        frames = tuple(_shortened(frame) for frame in text.split(";") if not re.match(r"process \d+|thread \(", frame))
        if frames and frames[-1] not in _WAITS:
            found[frames] += int(count)
    return dict(found)


def _shortened(frame: str) -> str:
    """Without the directories of this machine and the line."""
    place = frame.replace(f"{_ROOT}/", "")
    return re.sub(r"\((?:/\S*/)?(.*?)(?::\d+)?\)$", r"(\1)", place)


def _stacks(name: str, *, is_small: bool) -> dict[tuple[str, ...], int]:
    py_spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if py_spy is None:
        raise BenchError("profiles need py-spy: pip install 'masu[bench]'")
    sizes = SMALL if is_small else FULL
    with opened_area() as area:
        if not is_small:
            fetch_systems(area)
        with served_registry(area.fresh("registry")) as registry:
            case = CASES[name](Workshop(area=area, bases=Bases(area, registry, sizes), sizes=sizes))
            target, home = f"{registry.address}/profile", area.fresh("masu")
            if case.reuse is not Reuse.NOTHING:
                case.change("before\n")
                _run(build_argv(case, f"{target}:before", home), home)
                case.change("now\n")
            if case.reuse is Reuse.REGISTRY:
                area.fresh("masu")
            return _recorded(py_spy, build_argv(case, f"{target}:now", home), home)


def _recorded(py_spy: str, build: Sequence[str], home: Path) -> dict[tuple[str, ...], int]:
    output = home / "stacks"
    options = ["--subprocesses", "--rate", str(_RATE), "--format", "raw", "--output", str(output)]
    _run([py_spy, "record", *options, "--", *build], home)
    return parsed(output.read_text())


def _run(argv: Sequence[str], home: Path) -> None:
    done = subprocess.run(argv, env=build_env(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{Path(argv[0]).name} failed with {done.returncode}: {done.stdout[-1000:]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
