"""What the figures become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.marks import ratios, verdicts
from bench.measure import Measurement
from bench.report import draw, render, write_between_markers
from bench.results import Comparison, Result, keep


def result(round: int, wall: float, *, peak: int = 40_000_000) -> Result:
    measurement = Measurement(wall=wall, cpu=0.5, peak=peak)
    return Result(round=round, measurement=measurement, layers=(1_000_000, 500_000), moved=2_000_000)


def comparison(*, case: str = "a-case", **results: Sequence[Result]) -> Comparison:
    versions = {name: f"{name} 1" for name in results}
    left_out = {"buildah": "not here: why"}
    return Comparison(
        case=case, title="of some kind", mark=0.4, results=results, versions=versions, left_out=left_out, place="2 cores."
    )


def test_ratios_are_taken_within_a_round() -> None:
    own = [result(1, 1.0), result(2, 3.0), result(3, 9.0)]
    assert ratios(own, [result(1, 2.0), result(3, 3.0)]) == [0.5, 3.0]


def test_a_table_has_medians_spreads_and_ratios() -> None:
    text = render([comparison(masu=(result(1, 1.0), result(2, 2.0)), docker=(result(1, 4.0), result(2, 4.0)))])
    assert "**a-case**: of some kind\n" in text
    assert "masu 1, docker 1; 2 builds each, taking turns; median (least–most). 2 cores.\n" in text
    assert "| masu | 1.50 (1.00–2.00) | 0.50 (0.50–0.50) | 40 | 2, 1.5 MB | 2.0 |  |  |" in text
    assert "| docker | 4.00 (4.00–4.00) | 0.50 (0.50–0.50) | 40 | 2, 1.5 MB | 2.0 | 0.38 (0.25–0.50) |  |" in text
    assert "| case | masu ÷ docker | masu, peak MB |" in text
    assert "| a-case | 0.38 met (≤ 0.40) | 40 met (< 150) |" in text
    assert "- buildah: not here\n" in text


@pytest.mark.parametrize(
    ("own", "other", "wall", "limit", "is_met"),
    [
        ("masu", "docker", 4.0, 0.4, True),
        ("masu", "docker", 4.1, 0.4, False),
        ("container", "docker", 6.0, 0.6, True),
        ("container", "docker", 6.1, 0.6, False),
        ("masu", "buildah", 9.9, 1.0, True),
        ("container", "buildah-oci", 10.0, 1.0, False),
        ("masu", "floor", 12.5, 1.25, True),
    ],
)
def test_a_mark_is_met_up_to_its_limit(own: str, other: str, wall: float, limit: float, is_met: bool) -> None:
    found = dict(verdicts(replace(comparison(), results={own: (result(1, wall),), other: (result(1, 10.0),)})))[
        f"{own} ÷ {other}"
    ]
    assert found.limit == pytest.approx(limit)
    assert found.is_met == is_met


def test_the_highest_peak_of_all_rounds_counts() -> None:
    found = dict(verdicts(comparison(masu=(result(1, 1.0), result(2, 1.0, peak=160_000_000), result(3, 1.0)))))
    assert not found["masu, peak MB"].is_met


def test_the_picture_has_everybody_but_docker_beside_docker(tmp_path: Path) -> None:
    draw([comparison(masu=(result(1, 1.0),), docker=(result(1, 4.0),), buildah=(result(1, 6.0),))], tmp_path / "picture.svg")
    text = (tmp_path / "picture.svg").read_text()
    assert [name in text for name in ("a-case", ">masu<", ">buildah<", ">docker<")] == [True, True, True, False]


def test_there_is_no_picture_without_docker(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="nothing to draw"):
        draw([comparison(masu=(result(1, 1.0),))], tmp_path / "picture.svg")


def test_what_one_run_found_of_a_case_stays_until_another_measures_it(tmp_path: Path) -> None:
    first = [comparison(case="b", masu=(result(1, 1.0),)), comparison(case="a", masu=(result(1, 2.0),))]
    again = comparison(case="b", masu=(result(1, 3.0), result(2, 3.0)))
    assert keep(first, tmp_path / "kept.json", order=["a", "b"]) == first[::-1]
    assert keep([again], tmp_path / "kept.json", order=["a", "b"]) == [first[1], again]
    assert keep([], tmp_path / "kept.json", order=["a", "b"]) == [first[1], again]


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
    for marker in ("bench", "growth", "transfers"):
        assert text.index(f"<!-- {marker}: begin -->") < text.index(f"<!-- {marker}: end -->")
