"""What is measured, and of whom."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.measure import Measurement, Watch, measure

BIG = 100_000_000
# A shell that waits for a child with a lot of memory.
_PARENT = f"{sys.executable} -c 'import time; data = b\"x\" * {BIG}; time.sleep(0.3)'; :"


def run(*argv: str, tmp_path: Path, programs: tuple[str, ...]) -> Measurement:
    return measure(argv, env={}, log=tmp_path / "log", watch=Watch(programs=programs))


@pytest.mark.parametrize(("programs", "is_seen"), [(("python",), True), (("sh", "bash", "dash"), False)])
def test_only_the_named_programs_count_for_the_peak(tmp_path: Path, programs: tuple[str, ...], is_seen: bool) -> None:
    assert (run("/bin/sh", "-c", _PARENT, tmp_path=tmp_path, programs=programs).peak > BIG) == is_seen


def test_children_count_for_the_cpu(tmp_path: Path) -> None:
    busy = f"{sys.executable} -c 'sum(range(5_000_000))'; :"
    assert run("/bin/sh", "-c", busy, tmp_path=tmp_path, programs=()).cpu > 0


def test_a_failure_shows_what_the_command_printed(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"sh failed with 3: the reason"):
        run("/bin/sh", "-c", "echo the reason; exit 3", tmp_path=tmp_path, programs=())
