"""How masu grows: the line through the points, and a run of tiny sizes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.growth import DIMENSIONS, Point, curves, line_through, report
from bench.measure import Measurement
from bench.plot import draw_curves
from tests.support.bases import busybox_is_static

ROOT = Path(__file__).resolve().parents[2]


def point(size: int, *walls: float, peak: int = 50_000_000) -> Point:
    return Point(size=size, builds=tuple(Measurement(wall=wall, cpu=1.0, peak=peak) for wall in walls))


LINEAR = (point(1_000, 1.5), point(10_000, 6.0, 5.9, 9.0), point(100_000, 51.0))
QUADRATIC = tuple(point(size, size**2 / 1e6) for size in (1_000, 10_000, 50_000, 100_000))


def test_a_line_goes_through_the_medians() -> None:
    line = line_through(LINEAR)
    assert line.start == pytest.approx(1.0)
    assert line.slope == pytest.approx(0.0005)
    assert line.fit == pytest.approx(1.0)


def test_what_grows_faster_than_linearly_fits_worse() -> None:
    assert line_through(QUADRATIC).fit < 0.95


def test_one_size_makes_no_line() -> None:
    with pytest.raises(BenchError, match="two sizes"):
        line_through(LINEAR[:1])


def test_the_report_has_every_size_and_what_the_line_says() -> None:
    text = "\n".join(report({"files": LINEAR}, 3, "2 cores."))
    assert "| files | 10,000 files | 6.00 (5.90–9.00) | 6.00 | 50 |" in text
    assert "- files: 1.00 s and 0.5 s for 1,000 files, r² 1.000; memory 50 MB at the smallest size, 50 MB at the largest" in text


def test_the_same_figures_make_the_same_picture(tmp_path: Path) -> None:
    for name in ("first.svg", "second.svg"):
        draw_curves(tmp_path / name, curves({"files": LINEAR, "layers": QUADRATIC}))
    first = (tmp_path / "first.svg").read_text()
    assert first == (tmp_path / "second.svg").read_text()
    assert "files: wall, s" in first
    assert "layers: peak, MB" in first


@pytest.mark.skipif(not shutil.which("docker-registry"), reason="docker-registry is not installed")
@pytest.mark.skipif(not busybox_is_static(), reason="busybox-static is not installed")
def test_tiny_sizes_of_everything_are_built(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "bench.growth", "--small", "--runs", "1"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith(tuple(f"| {name} |" for name in DIMENSIONS))]
    assert len(rows) == sum(len(dimension.small) for dimension in DIMENSIONS.values())
    assert list(tmp_path.iterdir()) == []
