from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import UsageError
from builder.journal import Done, Failure, Warned
from steps import gitlab_ci
from steps.gitlab_ci import Sections, arguments
from steps.outcome import Outcome
from tests.support.gitlab_rules import read_dotenv, read_log, read_quality

JOB = {"GITLAB_CI": "true", "CI_PROJECT_DIR": "/builds/g/p", "CI_JOB_ID": "7", "MASU_STEP": "gitlab", "TMPDIR": "/t"}
PROVIDER = "projects/1/locations/global/workloadIdentityPools/gitlab/providers/gitlab"
DIGEST = "sha256:" + "1" * 64


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"GITLAB_CI": "true"}, True), ({"GITLAB_CI": "false", "CI_PROJECT_DIR": "/b", "CI_JOB_ID": "1"}, True),
        ({"GITLAB_CI": "false"}, False), ({"CI": "true", "CI_PROJECT_DIR": "/b"}, False), ({}, False),
    ],
)  # fmt: skip
def test_gitlab_is_known_by_its_variables(env: dict[str, str], expected: bool) -> None:
    assert gitlab_ci.detect(env) is expected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, []), ({"CACHE": "false", "TARGET": "", "COMPRESSION": "gzip", "CACHE_TTL": "336h", "PUSH_RETRY": "0"}, []),
        ({"CACHE": "true", "COMPRESSION": "zstd"}, ["--cache=true", "--compression=zstd"]),
        ({"CACHE_RUN_LAYERS": "false", "COMPRESSION_LEVEL": "3"}, ["--cache-run-layers=false", "--compression-level=3"]),
        ({"BUILD_ARG": "A=1\n\n  B=x y,z \nC='q'\n"}, ["--build-arg=A=1", "--build-arg=B=x y,z", "--build-arg=C='q'"]),
        ({"GIT_MODES": "false"}, ["--git-modes=false"]),
        ({"DESTINATION": "a/b:1\na/b:2"}, ["--destination=a/b:1", "--destination=a/b:2"]),
        ({"ARGS": "--label=a=b\n--no-push"}, ["--label=a=b", "--no-push"]), ({"DOCKERFILE": "--x"}, ["--dockerfile=--x"]),
    ],
)  # fmt: skip
def test_inputs_become_flags_and_defaults_become_none(inputs: dict[str, str], expected: list[str]) -> None:
    asked = arguments([], JOB | {f"INPUT_{name}": value for name, value in inputs.items()})
    assert asked.argv == ("build", *expected)
    assert asked.env["MASU_CONTEXT"] == "/builds/g/p"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"INPUT_CACHE": "yes"}, "the input cache is 'yes'"),
        ({"INPUT_DESTINATION": ":abc123"}, "this project has no container registry"),
        ({"INPUT_AWS_ROLE_ARN": "arn:aws:iam::1:role/b"}, r"\$MASU_AWS_ID_TOKEN is empty"),
        ({"INPUT_AWS_ROLE_ARN": "b", "MASU_AWS_ID_TOKEN": "t"}, "'b' is no role"),
        ({"INPUT_GOOGLE_WORKLOAD_IDENTITY_PROVIDER": "x", "MASU_GOOGLE_ID_TOKEN": "t"}, "no workload identity provider"),
        ({"INPUT_GOOGLE_WORKLOAD_IDENTITY_PROVIDER": f"//iam.googleapis.com/{PROVIDER}"}, "the job's token isn't for the"),
        ({"INPUT_GOOGLE_WORKLOAD_IDENTITY_PROVIDER": f"https://iam.googleapis.com/{PROVIDER}"}, "the job's token isn't for the"),
    ],
)
def test_inputs_that_cannot_be_meant_are_refused(inputs: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        arguments([], JOB | inputs)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ({"CI_REGISTRY": "r.test:5050", "CI_SERVER_HOST": "g.test", "CI_SERVER_PORT": "443"}, ["r.test:5050", "g.test"]),
        ({"CI_REGISTRY": "g.test:8443", "CI_SERVER_HOST": "g.test", "CI_SERVER_PORT": "8443"}, ["g.test:8443"]),
        ({}, []),
    ],
)
def test_gitlabs_own_certificate_is_for_gitlabs_own_hosts(hosts: dict[str, str], expected: list[str]) -> None:
    asked = arguments([], JOB | hosts | {"CI_SERVER_TLS_CA_FILE": "/ca.pem"})
    assert asked.argv == ("build", *(f"--registry-certificate={host}=/ca.pem" for host in expected))
    assert arguments([], JOB | hosts).argv == ("build",)


def test_id_tokens_are_in_files_and_in_no_argument() -> None:
    env = {
        "INPUT_GOOGLE_WORKLOAD_IDENTITY_PROVIDER": PROVIDER,
        "INPUT_GOOGLE_SERVICE_ACCOUNT": "a@b",
        "MASU_GOOGLE_ID_TOKEN": "g.t",
    }
    asked = arguments([], JOB | env | {"INPUT_AWS_ROLE_ARN": "arn:aws:iam::1:role/b", "MASU_AWS_ID_TOKEN": "a.t"})
    account = json.loads(asked.files[asked.env["GOOGLE_APPLICATION_CREDENTIALS"]])
    assert asked.files[account["credential_source"]["file"]] == "g.t"
    assert account["audience"] == f"//iam.googleapis.com/{PROVIDER}"
    assert account["service_account_impersonation_url"].endswith("/a@b:generateAccessToken")
    assert asked.files[asked.env["AWS_WEB_IDENTITY_TOKEN_FILE"]] == "a.t"
    assert asked.env["AWS_ROLE_SESSION_NAME"] == "gitlab-7"
    assert ".t" not in " ".join(asked.argv)
    assert all(path.startswith("/t/") for path in asked.files)


def texts(outcome: Outcome, env: dict[str, str] | None = None) -> dict[str, str]:
    """What is written, by the file's name; what is logged is under `-`."""
    return {Path(report.where).name: report.text for report in gitlab_ci.reports(outcome, JOB | (env or {}))}


def built(*names: str, **details: Any) -> Outcome:
    return Outcome(
        code=0,
        metadata={},
        images=names,
        pushed=names,
        digest=DIGEST,
        size=5,
        layers=2,
        seconds=1.26,
        dockerfile="Dockerfile",
        **details,
    )


def test_later_jobs_get_the_image_as_variables() -> None:
    assert read_dotenv(texts(built("r.test:5000/g/p:1", "r.test:5000/g/p:latest"))["build.env"]) == {
        "IMAGE": "r.test:5000/g/p:1",
        "IMAGE_DIGEST": DIGEST,
        "IMAGE_REF": f"r.test:5000/g/p@{DIGEST}",
        "IMAGE_TAG": "1",
        "IMAGE_TAGS": "r.test:5000/g/p:1 r.test:5000/g/p:latest",
    }


def test_an_image_without_a_tag_has_none_in_its_variables_and_one_that_names_none_dockers() -> None:
    by_digest = read_dotenv(texts(built(f"r.test/g/p@{DIGEST}"))["build.env"])
    assert (by_digest["IMAGE"], by_digest["IMAGE_REF"], by_digest.get("IMAGE_TAG")) == (*[f"r.test/g/p@{DIGEST}"] * 2, None)
    assert read_dotenv(texts(built("r.test/g/p"))["build.env"])["IMAGE_TAG"] == "latest"


def test_what_was_not_pushed_has_no_name_and_a_failure_nothing() -> None:
    kept = Outcome(code=0, metadata={}, images=("a/b:1",), digest=DIGEST)
    assert read_dotenv(texts(kept)["build.env"]) == {"IMAGE_DIGEST": DIGEST}
    assert texts(Outcome(code=1, metadata={}, failure=Failure(message="no")))["build.env"] == ""


def test_too_many_names_for_gitlabs_limit_are_left_out_and_it_is_said() -> None:
    written = texts(built(*(f"registry.test/group/project/image:{number:040}" for number in range(80))))
    assert sorted(read_dotenv(written["build.env"])) == ["IMAGE", "IMAGE_DIGEST", "IMAGE_REF", "IMAGE_TAG"]
    assert written["-"].startswith("IMAGE_TAGS left out of the dotenv report")


def test_nothing_is_written_for_who_calls_masu_as_kaniko() -> None:
    assert gitlab_ci.reports(built("a/b:1"), {name: value for name, value in JOB.items() if name != "MASU_STEP"}) == ()


def warned(message: str, line: int, rule: str = "FromAsCasing") -> Warned:
    return Warned(file="Dockerfile", line=line, end=line, rule=rule, message=message)


def test_an_issues_fingerprint_stays_when_lines_move_and_is_its_own() -> None:
    first = read_quality(texts(built(warnings=(warned("a", 3), warned("a", 9), warned("b", 4))))["gl-code-quality-report.json"])
    moved = read_quality(texts(built(warnings=(warned("a", 5), warned("a", 12), warned("b", 1))))["gl-code-quality-report.json"])
    assert [issue["fingerprint"] for issue in first] == [issue["fingerprint"] for issue in moved]
    assert [issue["location"] for issue in first][:1] == [{"path": "Dockerfile", "lines": {"begin": 3}}]


def test_the_instruction_that_failed_is_an_issue_and_a_dockerfile_from_elsewhere_none() -> None:
    failure = Failure(message="the command failed\nmore", file="Dockerfile", line=4)
    inside, outside = (
        Outcome(code=1, metadata={}, dockerfile=path, failure=failure)
        for path in ("/builds/g/p/docker/Dockerfile", "/tmp/Dockerfile")
    )
    [issue] = read_quality(texts(inside)["gl-code-quality-report.json"])
    assert (issue["severity"], issue["description"]) == ("blocker", "the command failed")
    assert issue["location"] == {"path": "docker/Dockerfile", "lines": {"begin": 4}}
    assert read_quality(texts(outside)["gl-code-quality-report.json"]) == []


@given(message=st.text(min_size=1), rule=st.text(min_size=1), times=st.integers(1, 3))
def test_hostile_messages_stay_within_their_issue(message: str, rule: str, times: int) -> None:
    outcome = built(warnings=tuple(warned(message, number + 1, rule) for number in range(times)))
    issues = read_quality(texts(outcome)["gl-code-quality-report.json"])
    assert [(issue["description"], issue["check_name"]) for issue in issues] == [(message, rule)] * times


def test_images_of_the_projects_own_registry_are_linked() -> None:
    env = {"CI_REGISTRY_IMAGE": "r.test/g/p", "CI_PROJECT_URL": "https://gitlab.test/g/p"}
    links = json.loads(texts(built("r.test/g/p:1", "r.test/g/p/x:1", "r.test/g/p2:1", "else.test/a:1"), env)["annotations.json"])
    url = "https://gitlab.test/g/p/container_registry"
    assert links == {"masu": [{"external_link": {"label": name, "url": url}} for name in ("r.test/g/p:1", "r.test/g/p/x:1")]}


def test_metrics_are_a_name_and_a_number_a_line() -> None:
    steps = tuple(
        Done(name="s", text="RUN x", file="Dockerfile", line=1, seconds=1.0, cached=cached) for cached in (True, True, False)
    )
    assert texts(built(steps=steps))["metrics.txt"].splitlines() == [
        "image_size_bytes 5", "image_layers 2", "build_seconds 1.3",
        "build_steps 3", "build_steps_cached 2", "dockerfile_warnings 0",
    ]  # fmt: skip


def test_a_step_is_a_collapsed_section() -> None:
    sections = Sections(run="1", clock=iter((100.5, 107.0)).__next__)
    text = (
        "before\n"
        + sections.begins("stage 1/2, step 3/7", "RUN make")
        + "one\ntwo\n"
        + sections.ends("stage 1/2, step 3/7")
        + "after\n"
    )
    assert text.startswith("before\n\x1b[0Ksection_start:100:masu_stage_1_2_step_3_7_1[collapsed=true]\r\x1b[0KRUN make\none\n")
    log = read_log(text)
    [section] = log.sections
    assert (section.start, section.end, section.options, section.lines) == (
        100,
        107,
        "[collapsed=true]",
        ["RUN make", "one", "two"],
    )
    assert (log.outside, log.unclosed) == (["before", "after"], [])


HOSTILE = st.text(alphabet=st.sampled_from("section_startend:0123m[]=\r\n\x1b[0K ")) | st.sampled_from(
    ["section_end:1:masu_a_1\r\x1b[0K", "section_start:1:x\r\x1b[0K", "section_section_start:1:x\r\x1b[0Kend:1:masu_a_1\r\x1b[0K"]
)


@given(title=st.text() | HOSTILE, printed=HOSTILE)
def test_no_title_and_nothing_printed_opens_or_closes_a_section(title: str, printed: str) -> None:
    sections = Sections(run="1", clock=lambda: 5.0)
    log = read_log(sections.begins("a", title) + sections.harmless(printed) + "\n" + sections.ends("a") + "after\n")
    assert [section.name for section in log.sections] == ["masu-a-1"]
    assert (log.outside, log.unclosed) == (["after"], [])
