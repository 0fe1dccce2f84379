from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from builder.errors import BuilderError, DockerfileError, RunError, Terminated
from builder.journal import Done, Failure, Journal, Warned
from steps.outcome import Outcome

_DONE = Done(
    name="stage 1/1, step 2/2", text="RUN x", file="Dockerfile", line=3, seconds=1.5, cached=False, reasons=("never cached",)
)
ENDED = "SIGTERM ended it, as when a job is cancelled or its time is up"
WHO = "masu didn't end by itself: the build was cancelled, or its time was up"
_WARNED = Warned(file="Dockerfile", line=1, end=2, rule="StageNameCasing", message="m", url="https://a.test")


def test_what_the_core_tells_comes_back_as_it_was() -> None:
    journal = Journal()
    journal.add(_DONE)
    journal.add(_WARNED)
    outcome = Outcome.of(0, {**journal.facts(), "image.name": "a:1,b:2", "masu.pushed": ["a:1"], "masu.size": 7})
    assert (outcome.steps, outcome.warnings, outcome.failure) == ((_DONE,), (_WARNED,), None)
    assert (outcome.images, outcome.pushed, outcome.size) == (("a:1", "b:2"), ("a:1",), 7)


@pytest.mark.parametrize(("config", "image_id"), [({"containerimage.config.digest": "sha256:b"}, "sha256:b"), ({}, "sha256:a")])
def test_the_id_of_several_platforms_is_the_indexs_digest(config: dict[str, str], image_id: str) -> None:
    assert Outcome.of(0, {"containerimage.digest": "sha256:a", **config}).image_id == image_id


def _located(error: BuilderError) -> BuilderError:
    error.locate("Dockerfile:3: RUN x", file="Dockerfile", line=3)
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            _located(RunError("exit code 143", exit_code=143, output="a\nb")),
            Failure(message="Dockerfile:3: RUN x: exit code 143", hint=ENDED, file="Dockerfile", line=3, output="a\nb"),
        ),
        (
            _located(RunError("exit code 2", exit_code=2)),
            Failure(message="Dockerfile:3: RUN x: exit code 2", file="Dockerfile", line=3),
        ),
        (DockerfileError("no", line=4), Failure(message="Dockerfile:4: no", file="Dockerfile", line=4)),
        (KeyboardInterrupt(), Failure(message="interrupted by SIGINT", hint=WHO)),
        (Terminated(), Failure(message="terminated by SIGTERM", hint=WHO)),
        (ValueError("odd"), Failure(message="odd")),
    ],
)
def test_a_failure_says_what_where_and_what_was_printed(error: BaseException, expected: Failure) -> None:
    assert Failure.of(error) == expected
    assert Outcome.of(1, Journal().facts(expected)).failure == expected


def test_what_was_printed_is_told_without_colours() -> None:
    printed = "\x1b[1;31merror\x1b[0m: \x1b]8;;https://a.test\x1b\\here\x1b]8;;\x07\a\tdone\r\n\x1b(Bé\x1b[2K"
    failure = Failure(message="m", output=printed)
    for outcome in (Outcome.of(1, Journal().facts(failure)), Outcome.of(1, {}, failure=failure)):
        assert outcome.failure == Failure(message="m", output="error: here\tdone\né")


def test_what_a_signal_has_ended_is_told_with_what_was_under_way() -> None:
    journal = Journal()
    with journal.doing("done"):
        pass
    with contextlib.suppress(Terminated), journal.doing("[step 1/2] RUN make"), journal.doing("pushing image"):
        raise Terminated
    assert journal.failure(Terminated()).message == "terminated by SIGTERM during [step 1/2] RUN make, pushing image"
    assert journal.failure(ValueError("odd")).message == "odd"


def test_a_failure_before_the_core_could_tell_is_the_errors() -> None:
    early = Failure(message="unknown flag: --x")
    assert Outcome.of(1, {}, failure=early).failure == early
    assert Outcome.of(70, {}).failure == Failure(message="masu ended with exit code 70", hint="the log above says why")
    assert Outcome.of(0, {}, failure=early).failure is None


@pytest.mark.parametrize(
    ("dockerfile", "expected"),
    [
        ("Dockerfile", "Dockerfile"),
        ("/w/sub/Dockerfile", "sub/Dockerfile"),
        ("", "x"),
        ("/elsewhere/Dockerfile", "x"),
        ("../D", "x"),
    ],
)
def test_a_place_is_below_the_platforms_directory_or_as_the_core_says_it(dockerfile: str, expected: str) -> None:
    assert Outcome.of(0, {"masu.dockerfile": dockerfile}).place("x", "/w") == expected


def test_a_platforms_directory_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    outcome = Outcome.of(0, {"masu.dockerfile": f"{tmp_path}/real/sub/Dockerfile"})
    assert outcome.place("x", f"{tmp_path}/link") == "sub/Dockerfile"
