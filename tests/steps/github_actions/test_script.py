"""run.sh with a `docker` that only takes down what it is asked for; tests/containers runs it with an engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.act import SCRIPT

_DOCKER = """\
#!/bin/bash
case $1 in
  create) printf '%s\\n' "$@" >"$TAKEN_DOWN"; echo container ;;
  cp)
    [[ $2 != container:* ]] || cp -R "$LEFT/." "$3"
    [[ $2 != - ]] || tar -xf - -C "$ROOT" ;;
  version | start | rm) ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture
def job(tmp_path: Path) -> dict[str, str]:
    """The environment of a runner, on which nothing else is."""
    for name in ("bin", "work", "home", "left", "root"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin/docker").write_text(_DOCKER)
    (tmp_path / "bin/docker").chmod(0o755)
    files = {
        "GITHUB_OUTPUT": "output",
        "GITHUB_STEP_SUMMARY": "summary",
        "TAKEN_DOWN": "arguments",
        "LEFT": "left",
        "ROOT": "root",
        "HOME": "home",
    }
    paths = {variable: str(tmp_path / name) for variable, name in files.items()}
    return {**paths, "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "GITHUB_WORKSPACE": f"{tmp_path}/work", "MASU_IMAGE": "a.test/masu"}


def run(job: Mapping[str, str]) -> list[str]:
    """The words of `docker create`."""
    done = subprocess.run(["bash", SCRIPT], env=job, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(job["TAKEN_DOWN"]).read_text().splitlines()


def handed_over(words: list[str]) -> set[str]:
    """The variables whose values come from the job."""
    return {word for option, word in pairwise(words) if option == "--env" and "=" not in word}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, set()),
        ({"INPUT_BUILD-ARGS": "A=1\nTOKEN\r\n  VERSION \nTOKEN2=x"}, {"TOKEN", "VERSION"}),
        ({"INPUT_BUILD-ARGS": '"TOKEN"'}, {"TOKEN"}),
        ({"MASU_SECRET_ENVS": "npm=TOKEN,pip=VERSION"}, {"TOKEN", "VERSION"}),
        ({"MASU_SECRET_ENVS": "npm=TOKEN2", "INPUT_BUILD-ARGS": "VERSION"}, {"TOKEN2", "VERSION"}),
    ],
)
def test_the_jobs_variables_that_an_input_names_are_handed_over(
    inputs: dict[str, str], expected: set[str], job: dict[str, str]
) -> None:
    words = run({**job, "TOKEN": "t", "TOKEN2": "t", "VERSION": "1", "OTHER": "o", **inputs})
    assert handed_over(words) & {"TOKEN", "TOKEN2", "VERSION", "OTHER"} == expected


def test_files_of_secrets_outside_of_the_workspace_are_copied_to_the_same_place(job: dict[str, str], tmp_path: Path) -> None:
    for name in ("real", "other", "work/inside"):
        (tmp_path / name).write_text(name)
    (tmp_path / "with blank").symlink_to("real")
    lines = [f"npm={tmp_path}/with blank\r", f'"pip={tmp_path}/other"', f"in={tmp_path}/work/inside", "rel=real", "no=/nowhere"]
    run({**job, "INPUT_SECRET-FILES": "\n".join(lines)})
    files = {path: path.read_text() for path in Path(job["ROOT"]).rglob("*") if path.is_file() and not path.is_symlink()}
    copied = Path(job["ROOT"], str(tmp_path).removeprefix("/"))
    assert files == {copied / "with blank": "real", copied / "other": "other"}


def test_what_masu_leaves_is_the_steps(job: dict[str, str]) -> None:
    for name in ("output", "summary"):
        Path(job["LEFT"], name).write_text(f"{name}\n")
        Path(job["HOME"]).with_name(name).write_text("before\n")
    run(job)
    found = {name: Path(job[name]).read_text() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    assert found == {"GITHUB_OUTPUT": "before\noutput\n", "GITHUB_STEP_SUMMARY": "before\nsummary\n"}


def test_no_link_that_a_command_has_left_leads_to_a_file_of_the_runner(job: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("login\n")
    for name in ("output", "summary", "image.tar"):
        os.symlink(tmp_path / "secret", Path(job["LEFT"], name))
    run(job)
    assert {name: Path(job[name]).exists() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")} == {
        "GITHUB_OUTPUT": False, "GITHUB_STEP_SUMMARY": False,
    }  # fmt: skip
    assert (tmp_path / "secret").read_text() == "login\n"
