from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from builder import cli
from steps.entrypoint import on_platform, run
from steps.gitlab_reports import NAMES
from tests.support.runner import obeyed


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"MASU_STATE_DIR": f"{tmp_path}/state", "TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}


def test_flags_alone_are_a_build_of_kanikos_workspace(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    run(["/kaniko/executor", "--dry-run", f"--dockerfile={tmp_path}/Dockerfile"], env)
    assert env["MASU_CONTEXT"] == "/workspace"  # it may be there: on Cloud Build it is this project itself
    capsys.readouterr()
    assert run(["/kaniko/executor", "--dry-run", "-c", str(tmp_path)], env) == 0
    assert "LABEL" in capsys.readouterr().out


def test_the_dockerfile_of_the_current_directory_goes_before_the_contexts(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, context = tmp_path / "here", tmp_path / "context"
    for directory in (here, context):
        directory.mkdir()
        (directory / "Dockerfile").write_text(f"FROM scratch\nLABEL of={directory.name}\n")
    monkeypatch.chdir(here)
    assert run(["/kaniko/executor", "--dry-run", "-c", str(context)], dict(env)) == 0
    assert "LABEL of=here" in capsys.readouterr().out
    assert run(["/kaniko/executor", "build", "--dry-run", str(context)], dict(env)) == 0  # as docker does
    assert "LABEL of=context" in capsys.readouterr().out
    (here / "Dockerfile").unlink()
    assert run(["/kaniko/executor", "--dry-run", "-c", str(context)], dict(env)) == 0
    assert "LABEL of=context" in capsys.readouterr().out


@pytest.mark.parametrize(("copies", "warned"), [("COPY . /app", True), ("COPY <<x /x\nx", False), ("COPY --from=a . /", False)])
def test_who_copies_from_a_context_with_nothing_in_it_is_warned(
    copies: str, warned: bool, env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a GitLab job without --context does from /workspace, with the Dockerfile of its checkout."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "Dockerfile").write_text(f"FROM scratch AS a\nFROM scratch\n{copies}\n")
    env["MASU_CONTEXT"] = str(tmp_path / "empty")
    assert run(["/kaniko/executor", "--dry-run", "-f", str(tmp_path / "Dockerfile")], env) == 0
    assert (f"the build context '{tmp_path}/empty' is empty" in capsys.readouterr().err) == warned


def test_a_context_that_is_an_argument_goes_before_the_default(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    env["MASU_CONTEXT"] = "/nowhere"
    for argv in (["executor", "--dry-run", str(tmp_path)], ["masu", "targets", str(tmp_path)]):
        assert run(argv, env) == 0
    assert run(["masu", "build", "--dry-run", "--context=/nowhere", str(tmp_path)], env) == 1
    assert "given twice" in capsys.readouterr().err


def test_a_dockerfiles_path_from_the_root_is_one_in_the_context_where_nothing_else_is_there(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/Mine").write_text("FROM scratch\nLABEL of=context\n")
    assert run(["/kaniko/executor", "--dry-run", "-c", str(tmp_path), "-f", "/docker/Mine"], env) == 0
    assert "LABEL of=context" in capsys.readouterr().out
    assert run(["/kaniko/executor", "--dry-run", "-c", str(tmp_path), "-f", "/docker/None"], env) == 1
    assert f"no Dockerfile at '/docker/None' or '{tmp_path}/docker/None'" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["executor", "version"], ["executor", "--version"], ["masu", "--version"]])
def test_commands_of_masus_are_known(argv: list[str], env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv, env) == 0
    assert capsys.readouterr().out.startswith("masu ")
    assert "MASU_CONTEXT" not in env


def test_help_is_of_the_build_for_kanikos_users(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["executor", "--help"], env) == 0
    assert "--destination" in capsys.readouterr().out
    assert run(["masu", "--help"], env) == 0
    assert "Commands:" in capsys.readouterr().out


def test_flags_alone_are_a_warmers_where_its_name_is_called(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["/kaniko/warmer"], env) == 1
    assert "you must select at least one image" in capsys.readouterr().err
    assert run(["/kaniko/warmer", "version"], env) == 0


def test_a_missing_shell_is_an_error(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["executor", "/nowhere/bash", "-c", "true"], env) == 1
    assert "debug image" in capsys.readouterr().err


def test_a_step_of_a_platform_that_nobody_knows_is_refused(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["executor", "step", "jenkins"], env) == 1
    assert "unknown platform 'jenkins'" in capsys.readouterr().err
    assert run(["masu", "step"], env) == 1
    assert "no platform is named" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["step", "cloudbuild"], ["build"]])
def test_a_platform_is_told_what_was_pushed_and_nothing_of_a_dry_run(
    words: list[str], env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    env |= {"BUILDER_OUTPUT": str(tmp_path), "MASU_METADATA_FILE": f"{tmp_path}/mine.json"}
    tar = ["--no-push", "--tar-path", f"{tmp_path}/image.tar", "--destination", "a.test/b:1"]
    assert run(["executor", *words, "-c", str(tmp_path), *tar], env) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"Dockerfile", "image.tar", "mine.json", "output", "state"}
    assert '"masu.steps": []' in (tmp_path / "mine.json").read_text()


def test_reports_of_an_earlier_build_are_replaced_and_it_is_said(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    env |= {
        "CI_PROJECT_DIR": str(tmp_path),
        "MASU_REPORTS": ".masu/app",
        "INPUT_NO_PUSH": "true",
        "INPUT_DESTINATION": "a.test/b:1",
    }
    env["INPUT_TAR_PATH"], bill = f"{tmp_path}/image.tar", tmp_path / ".masu/app/gl-sbom-image.cdx.json"
    assert run(["masu", "step", "gitlab"], dict(env)) == 0
    assert "earlier build" not in capsys.readouterr().err
    bill.write_text("{}")
    assert run(["masu", "step", "gitlab"], dict(env)) == 0
    assert f"warning: the reports of an earlier build in '{tmp_path}/.masu/app' are replaced" in capsys.readouterr().err
    assert {path.name for path in (tmp_path / ".masu/app").iterdir()} == set(NAMES)


def test_a_dockerfile_is_named_from_the_platforms_directory_wherever_masu_is_called(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/Dockerfile").write_text("FROM scratch\nCOPY nowhere /\n")
    monkeypatch.chdir(tmp_path / "sub")
    env |= {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    assert run(["masu", "build", "--no-push", "-d", "a.test/b:1", "."], env) == 1
    (error,) = (entry for entry in obeyed(capsys.readouterr().err) if entry.name == "error")
    assert (error.properties["file"], error.properties["line"]) == ("sub/Dockerfile", "2")


def test_a_container_without_a_place_to_write_is_told_to_get_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a pod with a read-only root and no emptyDir."""
    env = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "TMPDIR": f"{tmp_path}/nowhere"}
    assert on_platform(["build", str(tmp_path)], env) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: no place for temporary files: No such file or directory: '{tmp_path}/nowhere")
    assert "emptyDir" in error


@pytest.mark.parametrize("words", [["--dry-run"], ["--check"], ["--call", "outline"], ["--call", "outline,format=json"]])
def test_nothing_that_is_told_of_a_dockerfile_is_a_command(
    words: list[str], env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "##[add-mask]evil"
    text = f"FROM scratch\nARG A={hostile}\nMAINTAINER {hostile}\nRUN <<A\n::error::{hostile}\nA\n"
    (tmp_path / "Dockerfile").write_text(text)
    run(["masu", "build", *words, "--no-push", str(tmp_path)], {**env, "GITHUB_ACTIONS": "true"})
    printed = capsys.readouterr().out
    assert "add-mask]evil" in printed
    assert obeyed(printed) == []


def test_no_signal_stops_reports_from_being_written_and_they_count_again_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with cli.undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_with_no_platform_wanted_none_is_detected(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["executor", "version"], {**env, "BUILDER_OUTPUT": "/nowhere", "MASU_STEP": "none"}) == 0
    assert run(["executor", "version"], {**env, "MASU_STEP": "odd"}) == 1
    assert "unknown platform 'odd'" in capsys.readouterr().err
