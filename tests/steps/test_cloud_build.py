from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder.errors import BuilderError
from steps.cloud_build import reported

_PUSHED = {"containerimage.digest": "sha256:00", "masu.pushed": ["gcr.io/p/a:1", "gcr.io/p/b:latest"]}


def build(env: dict[str, str], *, metadata: object = _PUSHED, code: int = 0) -> int:
    """A stand-in for the core: all that the adapter knows of it is this file and the code."""

    def run() -> int:
        if "MASU_METADATA_FILE" in env:
            Path(env["MASU_METADATA_FILE"]).write_text(json.dumps(metadata))
        return code

    return reported(run, env)


def test_what_was_pushed_is_told_line_by_line_in_place_of_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("old\n")
    assert build({"BUILDER_OUTPUT": str(tmp_path), "TMPDIR": str(tmp_path)}) == 0
    assert (tmp_path / "images").read_text() == (
        '{"name":"gcr.io/p/a:1","digest":"sha256:00"}\n{"name":"gcr.io/p/b:latest","digest":"sha256:00"}\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize(("metadata", "code"), [(_PUSHED, 42), ({**_PUSHED, "masu.pushed": []}, 0)])
def test_a_build_that_failed_or_pushed_nothing_is_not_told(tmp_path: Path, metadata: object, code: int) -> None:
    assert build({"BUILDER_OUTPUT": str(tmp_path), "TMPDIR": str(tmp_path)}, metadata=metadata, code=code) == code
    assert list(tmp_path.iterdir()) == []


def test_a_metadata_file_that_the_user_asked_for_is_left(tmp_path: Path) -> None:
    env = {"BUILDER_OUTPUT": str(tmp_path), "TMPDIR": str(tmp_path), "MASU_METADATA_FILE": f"{tmp_path}/mine"}
    assert build(env) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"images", "mine"}


def test_without_the_variable_nothing_is_asked_for() -> None:
    env: dict[str, str] = {}
    assert (build(env), env) == (0, {})


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuilderError, match="the image is pushed"):
        build({"BUILDER_OUTPUT": f"{tmp_path}/nowhere", "TMPDIR": str(tmp_path)})
