"""What the figures become."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.compare import Result, Table
from bench.errors import BenchError
from bench.measure import Measurement
from bench.report import ratios, render, write_between_markers
from bench.settings import SMALL, Settings


def result(round: int, wall: float) -> Result:
    return Result(round=round, measurement=Measurement(wall=wall, cpu=0.5, peak=40_000_000), layers=(1_000_000, 500_000))


def test_ratios_are_taken_within_a_round() -> None:
    own = [result(1, 1.0), result(2, 3.0), result(3, 9.0)]
    assert ratios(own, [result(1, 2.0), result(3, 3.0)]) == [0.5, 3.0]


def test_a_table_has_medians_spreads_and_ratios() -> None:
    results = {"a case": {"masu": (result(1, 1.0), result(2, 2.0)), "docker": (result(1, 4.0), result(2, 4.0))}}
    table = Table(results=results, versions={"masu": "masu 1"}, left_out={"buildah": "not here: why"}, file_system="ext4")
    text = render(table, Settings(sizes=SMALL, contestants=(), cases=(), runs=2))
    assert "| masu | 1.50 (1.00–2.00) | 0.50 (0.50–0.50) | 40 | 2, 1.5 MB |  |" in text
    assert "| docker | 4.00 (4.00–4.00) | 0.50 (0.50–0.50) | 40 | 2, 1.5 MB | 0.38 (0.25–0.50) |" in text
    assert "- buildah: not here\n" in text


def test_only_what_lies_between_the_markers_is_written(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n")
    write_between_markers(document, "new\n")
    assert document.read_text() == "before\n<!-- bench: begin -->\nnew\n<!-- bench: end -->\nafter\n"


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("nothing\n")
    with pytest.raises(BenchError):
        write_between_markers(document, "new\n")
    assert document.read_text() == "nothing\n"


def test_the_document_of_this_repository_has_the_markers() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/performance.md").read_text()
    assert text.index("<!-- bench: begin -->") < text.index("<!-- bench: end -->")
