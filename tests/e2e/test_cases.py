"""The case files are read as their format says."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support.cases import read_cases

TEXT = """\
# a comment before the first case
=== a first case
why it is there
--- options
--build-arg "A=two words" --target @BASE@
--- context
mkdir d; echo hello > d/file; chmod 4755 d/file; ln -s file d/link
--- Dockerfile
FROM @BASE@

RUN x
=== second
--- Dockerfile
FROM scratch
"""


def test_a_file_of_cases_is_read(tmp_path: Path) -> None:
    (tmp_path / "group.case").write_text(TEXT)
    first, second = read_cases(tmp_path)
    assert (first.id, second.id) == ("group/a-first-case", "group/second")
    assert first.bases == {"base"}
    assert first.options({"base": "ref"}) == ["--build-arg", "A=two words", "--target", "ref"]
    assert first.section("Dockerfile", {"base": "ref"}) == "FROM ref\n\nRUN x\n"


def test_a_context_is_made_with_fixed_times(tmp_path: Path) -> None:
    (tmp_path / "group.case").write_text(TEXT)
    case = read_cases(tmp_path)[0]
    case.make_context(tmp_path, {"base": "ref"})
    found = (tmp_path / "context/d/file").stat()
    assert stat.S_IMODE(found.st_mode) == 0o4755
    assert {(tmp_path / "context" / name).lstat().st_mtime for name in ("d", "d/file", "d/link")} == {case.time}
    assert (tmp_path / "Dockerfile").read_text() == "FROM ref\n\nRUN x\n"


@pytest.mark.parametrize(
    "text", ["=== x\n--- Nonsense\n", "=== x\n--- context\n", "words\n=== x\n", "=== x\n--- Dockerfile\n" * 2]
)
def test_a_file_that_is_not_understood_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.case").write_text(text)
    with pytest.raises(ValueError, match=r"bad|same name"):
        read_cases(tmp_path)
