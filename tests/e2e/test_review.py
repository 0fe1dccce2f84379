"""Build checks, outline and targets as commands."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from builder.checks import linter_of
from builder.dockerfile.parse import parse
from builder.image.config import Config
from builder.image.platform import Platform
from builder.plan import lower
from builder.rootfs import SourceTree
from tests.support.masu import Masu, write_context

BAD = "FROM scratch AS Base\nMAINTAINER x\nWORKDIR /a\n"


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    return Masu(state=tmp_path / "state")


def test_a_build_logs_each_warning_once(masu: Masu, tmp_path: Path) -> None:
    done = masu("build", "--no-push", write_context(tmp_path / "context", BAD))
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "warning:" in line]
    assert [line.partition("] ")[2] for line in warnings] == [
        "Dockerfile:1: warning: StageNameCasing: stage name 'Base' is not lower case",
        "Dockerfile:2: warning: MaintainerDeprecated: MAINTAINER is deprecated: use LABEL org.opencontainers.image.authors",
    ]
    assert all(line.startswith("WARN[") for line in warnings)


def test_warnings_that_are_errors_stop_the_build(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", f"# check=error=true\n{BAD}")
    done = masu("build", "--tag", "never", context)
    assert done.returncode == 1
    assert "error building image: the build checks failed: MaintainerDeprecated, StageNameCasing" in done.stderr
    assert "never" not in masu("ls").stdout


def test_errors_of_checks_can_be_asked_for_on_the_command_line(masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", BAD)
    done = masu("build", "--no-push", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=StageNameCasing;error=true", context)
    assert (done.returncode, "StageNameCasing" in done.stderr) == (1, False)


@pytest.mark.parametrize(
    ("text", "code"), [(BAD, 1), ("FROM scratch\n", 0), ("FROM scratch\nBLA\n", 1), ("# check=x\nFROM a", 1)]
)
def test_the_exit_code_of_check(text: str, code: int, masu: Masu, tmp_path: Path) -> None:
    done = masu("build", "--check", write_context(tmp_path / "context", text))
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_check_prints_the_findings_and_their_lines(masu: Masu, tmp_path: Path) -> None:
    done = masu("build", "--check", write_context(tmp_path / "context", BAD))
    assert done.stdout.splitlines()[:2] == [
        "Dockerfile:1: warning: StageNameCasing: stage name 'Base' is not lower case",
        "     1 | FROM scratch AS Base",
    ]
    assert done.stdout.splitlines()[-1] == "2 warnings"
    assert "WARN" not in done.stderr


@pytest.mark.parametrize(
    "options", [("--check", "--check-format", "json"), ("--call", "check,format=json"), ("--call=check,json",)]
)
def test_check_prints_json(options: tuple[str, ...], masu: Masu, tmp_path: Path) -> None:
    done = masu("build", *options, write_context(tmp_path / "context", BAD))
    first = json.loads(done.stdout)["warnings"][0]
    assert first == {
        "ruleName": "StageNameCasing",
        "description": "a stage's name has capital letters",
        "url": "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/",
        "detail": "stage name 'Base' is not lower case",
        "level": 1,
        "location": {"ranges": [{"start": {"line": 1}, "end": {"line": 1}}]},
    }


def test_a_dockerfile_that_can_not_be_read_is_told_in_json_too(masu: Masu, tmp_path: Path) -> None:
    done = masu("build", "--check", "--check-format=json", write_context(tmp_path / "context", "FROM a\nBLA\n"))
    assert json.loads(done.stdout)["buildError"]["location"]["ranges"] == [{"start": {"line": 2}, "end": {"line": 2}}]
    assert "unknown instruction" in done.stderr


@pytest.mark.parametrize("call", ["nope", "check,format=xml", ""])
def test_another_call_is_refused(call: str, masu: Masu, tmp_path: Path) -> None:
    done = masu("build", f"--call={call}", write_context(tmp_path / "context", BAD))
    assert done.returncode == 1
    assert "invalid --call" in done.stderr


def test_without_the_registry_the_rules_that_need_the_base_are_left_out(masu: Masu, tmp_path: Path) -> None:
    text = "FROM 127.0.0.1:1/base AS Base\nENV A=$from_base\nCMD shell\nFROM base\nCMD shell\nENV B=$from_base\nMAINTAINER x\n"
    done = masu("build", "--check", write_context(tmp_path / "context", text))
    found = [line.split(": ")[2] for line in done.stdout.splitlines() if ": warning: " in line]
    assert found == ["StageNameCasing", "MaintainerDeprecated"]
    assert "UndefinedVar, InvalidBaseImagePlatform are left out for it" in done.stderr


def test_outline_and_targets_are_told_as_text(masu: Masu, tmp_path: Path) -> None:
    text = (
        "# V the version\nARG V=1\n# one first\nFROM scratch AS one\nFROM scratch AS two\nARG V\nRUN --mount=type=secret,id=s a\n"
    )
    context = write_context(tmp_path / "context", text)
    assert masu("outline", context).stdout.splitlines() == [
        "TARGET: two",
        "",
        "BUILD ARG   VALUE   DESCRIPTION",
        "V           1       the version",
        "",
        "SECRET   REQUIRED",
        "s",
    ]
    assert masu("targets", context).stdout.splitlines() == [
        "TARGET          BASE      DESCRIPTION",
        "one             scratch   first",
        "two (default)   scratch",
    ]
    assert masu("build", "--call=targets", context).stdout == masu("targets", context).stdout
    assert masu("build", "--call=outline", "--target=one", context).stdout == "TARGET: one\nDESCRIPTION: first\n"


def test_a_name_of_a_rule_that_is_nearly_right_is_suggested(masu: Masu, tmp_path: Path) -> None:
    done = masu("build", "--check", write_context(tmp_path / "context", "# check=skip=UndefinedVra\nFROM scratch\n"))
    assert "'UndefinedVra', which is no rule (did you mean 'UndefinedVar'?)" in done.stderr


def test_the_checks_take_time_in_proportion_to_the_file() -> None:
    """Four times the lines may take eight times as long, with what else the machine does."""
    assert _seconds(4000) < 8 * _seconds(1000)


def _seconds(lines: int) -> float:
    text = "FROM scratch\n" + "".join(f"ENV A{n}=$B{n} KEY_{n}=1\nARG C{n}=$D{n}\n" for n in range(lines // 2))
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        dockerfile = parse(text.encode(), file="Dockerfile")
        linter = linter_of(dockerfile, SourceTree(path=Path()), {})
        lower(
            dockerfile,
            target="",
            build_args={},
            labels={},
            platform=Platform.host(),
            base_config=lambda reference, platform: Config(platform=platform),
            watch=linter,
        )
        assert len(linter.findings) >= lines
        taken.append(time.perf_counter() - started)
    return min(taken)
