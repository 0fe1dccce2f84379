"""CI files as people have them, what becomes of each, and that those who read them take it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from steps import ACTION
from steps.commands import COMMANDS
from steps.migration.changes import Changes, applied
from steps.migration.command import rewriter
from tests.support import validators

HERE = Path(__file__).parent
FILES = sorted(path.relative_to(HERE / "files") for path in (HERE / "files").rglob("*") if path.is_file())


def text_of(file: Path) -> str:
    """As it is, whatever ends its lines."""
    with file.open(encoding="utf-8", newline="") as stream:
        return stream.read()


def changes_of(name: Path, text: str) -> Changes:
    return rewriter(name, text)(text, image="", action=ACTION)


def notes_of(changes: Changes) -> str:
    """Those of one file, as tests/steps/migration/expected has them."""
    lines = [f"{note.line}: {'TO DO: ' if note.to_do else ''}{note.text}\n" for note in sorted(set(changes.notes))]
    return "".join(lines)


def test_there_are_files_of_every_platform_and_the_command_is_known() -> None:
    assert len(FILES) >= 40
    assert {file.parts[0] for file in FILES} == {"cloudbuild", "github", "gitlab", "jenkins", "kubernetes", "tekton"}
    assert "migrate" in COMMANDS


@pytest.mark.parametrize("name", FILES, ids=str)
def test_a_file_becomes_what_is_expected_and_what_is_to_be_known_is_said(name: Path) -> None:
    text = text_of(HERE / "files" / name)
    changes = changes_of(name, text)
    assert applied(text, changes.edits) == text_of(HERE / "expected" / name)
    assert notes_of(changes) == text_of((HERE / "expected" / name).with_suffix(".notes"))


@pytest.mark.parametrize("name", FILES, ids=str)
def test_a_second_run_changes_nothing(name: Path) -> None:
    text = text_of(HERE / "expected" / name)
    changes = changes_of(name, text)
    assert applied(text, changes.edits) == text
    assert "executor" not in "".join(note.text for note in changes.notes if not note.to_do)


@pytest.mark.parametrize("name", FILES, ids=str)
def test_comments_stay(name: Path) -> None:
    def comments(text: str) -> list[str]:
        return [line.strip() for line in text.splitlines() if line.lstrip().startswith("#")]

    assert comments(text_of(HERE / "expected" / name)) == comments(text_of(HERE / "files" / name))


@pytest.mark.parametrize("name", FILES, ids=str)
def test_who_reads_the_file_takes_what_it_has_become(name: Path, tmp_path: Path) -> None:
    check: dict[str, Callable[[Path], list[str]]] = {
        "cloudbuild": validators.cloud_build,
        "github": validators.github_workflow_as_it_is,
        "gitlab": partial(validators.gitlab, scratch=tmp_path),
        "jenkins": validators.jenkinsfile,
        "kubernetes": validators.manifests,
        "tekton": validators.manifests,
    }
    assert check[name.parts[0]](HERE / "expected" / name) == []


@pytest.mark.parametrize("name", [name for name in FILES if name.parts[0] == "tekton"], ids=str)
def test_tektons_linter_finds_no_error(name: Path, tmp_path: Path) -> None:
    directory = HERE / "expected"
    assert validators.tekton(directory / name, directory / "tekton/catalog.yaml", scratch=tmp_path) == []
