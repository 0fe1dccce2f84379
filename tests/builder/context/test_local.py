from __future__ import annotations

from pathlib import Path

import pytest

from builder.context.local import open_directory
from builder.errors import ContextError
from tests.support.tree import make_tree


def test_the_dockerfiles_own_ignore_file_wins(tmp_path: Path) -> None:
    make_tree(tmp_path, {".dockerignore": "a", "app.Dockerfile": "", "app.Dockerfile.dockerignore": "b"})
    own = open_directory(tmp_path, dockerfile=tmp_path / "app.Dockerfile")
    assert (own.ignored("a"), own.ignored("b"), own.ignore_file) == (False, True, "app.Dockerfile.dockerignore")
    common = open_directory(tmp_path, dockerfile=tmp_path / "Dockerfile")
    assert (common.ignored("a"), common.ignored("b"), common.ignore_file) == (True, False, ".dockerignore")


def test_without_an_ignore_file_nothing_is_ignored(tmp_path: Path) -> None:
    context = open_directory(tmp_path)
    assert (context.path, context.ignored("a"), context.ignore_file) == (tmp_path, False, "")


@pytest.mark.parametrize(("name", "problem"), [("no", "does not exist"), ("file", "is not a directory")])
def test_what_is_no_directory_is_an_error(tmp_path: Path, name: str, problem: str) -> None:
    make_tree(tmp_path, {"file": ""})
    with pytest.raises(ContextError, match=problem):
        open_directory(tmp_path / name)


def test_an_unreadable_ignore_file_is_an_error(tmp_path: Path) -> None:
    make_tree(tmp_path, {".dockerignore": None})
    with pytest.raises(ContextError, match="can't read"):
        open_directory(tmp_path)
