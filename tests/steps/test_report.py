from __future__ import annotations

import logging
from pathlib import Path

import pytest

from builder.errors import BuilderError
from steps.report import LOG, Report, write


def test_a_report_takes_a_files_place_or_goes_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old\n")
    (tmp_path / "b").write_text("old\n")
    write([Report(where=f"{tmp_path}/a", text="new\r\n"), Report(where=f"{tmp_path}/b", text="new\n", append=True)])
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_text()) == (b"new\r\n", "old\nnew\n")


def test_directories_are_made_where_the_report_says_so(tmp_path: Path) -> None:
    write([Report(where=f"{tmp_path}/a/b", text="x", makes_way=True)])
    assert (tmp_path / "a/b").read_text() == "x"


def test_the_log_is_a_place_too(capsys: pytest.CaptureFixture[str]) -> None:
    write([Report(where=LOG, text="::notice::x\n")])
    assert capsys.readouterr().err == "::notice::x\n"


def test_one_that_is_lost_is_a_warning_and_the_others_are_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        write([Report(where=f"{tmp_path}/no/a", text=""), Report(where=f"{tmp_path}/b", text="x")])
    assert caplog.messages == [f"can't write '{tmp_path}/no/a': No such file or directory"]
    assert (tmp_path / "b").read_text() == "x"


def test_a_vital_one_that_is_lost_is_an_error_after_all_are_tried(tmp_path: Path) -> None:
    with pytest.raises(BuilderError, match="it is lost: '/nowhere/a'") as caught:
        write(
            [
                Report(where="/nowhere/a", text="", vital=True, loss="it is lost:", hint="do"),
                Report(where=f"{tmp_path}/b", text="x"),
            ]
        )
    assert (caught.value.hint, (tmp_path / "b").read_text()) == ("do", "x")


def test_a_file_that_is_in_use_or_not_there_is_left_where_the_report_says_so(tmp_path: Path) -> None:
    for name, content in (("empty", ""), ("used", "digest")):
        (tmp_path / name).write_text(content)
    write(Report(where=f"{tmp_path}/{name}", text="x", only_unused=True) for name in ("empty", "used", "nowhere"))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"empty": "x", "used": "digest"}
