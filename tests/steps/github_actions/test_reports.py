from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from builder.journal import Done, Failure, Journal, Warned
from steps import github_actions
from steps.outcome import Outcome
from steps.report import LOG
from tests.support.runner import obeyed, outputs

_ENV = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_OUTPUT": "/f/output",
    "GITHUB_STEP_SUMMARY": "/f/summary",
    "GITHUB_WORKSPACE": "/w",
    "MASU_STEP": "github",
}
_DONE = Done(name="stage 1/1, step 1/1", text="RUN x", file="Dockerfile", line=2, seconds=1, cached=True)
_IMAGE = {
    "containerimage.digest": "sha256:aa",
    "containerimage.config.digest": "sha256:bb",
    "image.name": "a.test:5000/b:1,c.test/d",
    "masu.pushed": ["a.test:5000/b:1", "c.test/d"],
    "masu.dockerfile": "sub/Dockerfile",
}


def told(metadata: Mapping[str, object], *, code: int = 0, env: Mapping[str, str] | None = None) -> dict[str, str]:
    return {report.where: report.text for report in github_actions.reports(Outcome.of(code, metadata), {**_ENV, **(env or {})})}


def _journal(*entries: Done | Warned, failure: Failure | None = None) -> dict[str, object]:
    journal = Journal()
    for entry in entries:
        journal.add(entry)
    return {**journal.facts(failure), "masu.dockerfile": "sub/Dockerfile"}


def test_the_outputs_are_those_of_the_actions_that_masu_takes_the_place_of() -> None:
    found = outputs(told({**_journal(_DONE), **_IMAGE})["/f/output"])
    metadata = json.loads(found.pop("metadata"))
    assert found == {
        "digest": "sha256:aa",
        "imageid": "sha256:bb",
        "image": "a.test:5000/b:1",
        "tags": "a.test:5000/b:1\nc.test/d",
        "image-with-digest": "a.test:5000/b@sha256:aa",
        "cache-hit": "true",
    }
    assert metadata["containerimage.digest"] == "sha256:aa"
    assert "masu.steps" not in metadata


@pytest.mark.parametrize("steps", [(), (_DONE, Done(name="", text="", file="", line=1, seconds=1, cached=False))])
def test_a_cache_that_had_not_all_is_no_hit(steps: tuple[Done, ...]) -> None:
    assert outputs(told({**_journal(*steps), **_IMAGE})["/f/output"])["cache-hit"] == "false"


def test_a_failure_is_an_annotation_on_its_line_and_in_the_summary_and_gives_no_outputs() -> None:
    failure = Failure(
        message="Dockerfile:3: RUN x: exit 2", hint="h", file="Dockerfile", line=3, output="::error::no\n100 %\nlast"
    )
    found = told(_journal(failure=failure), code=2)
    assert found.keys() == {LOG, "/f/summary"}
    (error,) = obeyed(found[LOG])
    assert (error.name, error.properties["file"], error.properties["line"]) == ("error", "sub/Dockerfile", "3")
    assert error.data == "Dockerfile:3: RUN x: exit 2\n::error::no\n100 %\nlast\nhint: h"


def test_warnings_of_the_checks_are_annotations_and_those_that_the_runner_would_drop_are_counted() -> None:
    entries = [Warned(file="Dockerfile", line=n, end=n + n % 2, rule=f"R{n}", message="m") for n in range(1, 31)]
    found = obeyed(told({**_journal(*entries), **_IMAGE})[LOG])
    assert [entry.properties.get("line") for entry in found] == [None, *"123456789"]
    assert found[1].properties == {"file": "sub/Dockerfile", "line": "1", "endLine": "2", "title": "R1"}
    assert found[0].data == "30 warnings of the build checks, of which the log has all"
    assert len(obeyed(told({**_journal(*entries[:9]), **_IMAGE})[LOG])) == 9


@pytest.mark.parametrize(
    ("switch", "lacks"),
    [("DOCKER_BUILD_SUMMARY", "/f/summary"), ("DOCKER_BUILD_CHECKS_ANNOTATIONS", "::warning")],
)
def test_dockers_switches_count(switch: str, lacks: str) -> None:
    metadata = {**_journal(Warned(file="D", line=1, end=1, rule="R", message="m")), **_IMAGE}
    for on in ("", "true", "1", "yes"):
        assert lacks in str(told(metadata, env={switch: on}))
    for off in ("false", "False", "0"):
        assert lacks not in str(told(metadata, env={switch: off}))


def test_annotation_and_summary_say_what_to_do_in_githubs_words() -> None:
    failure = Failure(message="401", hint="log in there, for instance with `masu login a.test`")
    found = told(_journal(failure=failure), code=1)
    (error,) = obeyed(found[LOG])
    assert "docker/login-action" in error.data
    assert "docker/login-action" in found["/f/summary"]


def test_of_five_megabytes_of_output_an_annotation_has_the_end_with_message_and_hint() -> None:
    failure = Failure(message="m" * 10_000, output="x" * 5_000_000 + "\nthe last words", hint="do this" * 1000)
    (error,) = obeyed(told(_journal(failure=failure), code=1)[LOG])
    message, output, last, hint = error.data.split("\n")
    assert (set(message), set(output), last) == ({"m"}, {"x"}, "the last words")
    assert hint.startswith("hint: do this")
    assert len(error.data) <= 4096


def test_outputs_that_are_lost_are_an_error_for_the_action_and_a_warning_for_a_plain_image() -> None:
    outcome = Outcome.of(0, _IMAGE)
    plain = {key: value for key, value in _ENV.items() if key != "MASU_STEP"}
    vital = [
        [report.vital for report in github_actions.reports(outcome, env) if report.where == "/f/output"] for env in (_ENV, plain)
    ]
    assert vital == [[True], [False]]
