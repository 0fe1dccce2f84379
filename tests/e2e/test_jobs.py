"""Stages that don't need one another are built at the same time: what that changes, and what it doesn't."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.masu import Masu, add_base, write_context

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: two RUNs at the same time need root's namespaces")

MEETING = """
FROM base AS one
RUN --mount=type=cache,id=meeting,target=/m for i in 1 2 3; do echo one $i; done; touch /m/one; \\
    until [ -e /m/two ]; do :; done; touch /1
FROM base AS two
RUN --mount=type=cache,id=meeting,target=/m echo two; touch /m/two; until [ -e /m/one ]; do :; done; touch /2
FROM base
COPY --from=one /1 /
COPY --from=two /2 /
"""
FAILING = """
FROM base AS patient
RUN --mount=type=cache,id=started,target=/m echo patient; touch /m/it; sleep 1000
FROM base AS failing
RUN --mount=type=cache,id=started,target=/m until [ -e /m/it ]; do :; done; echo a word of the failing; exit 42
FROM base
COPY --from=patient / /
COPY --from=failing / /
"""


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    masu = Masu(state=tmp_path / "state")
    add_base(masu, tmp_path / "base")
    return masu


def test_stages_that_wait_for_each_other_end(masu: Masu, tmp_path: Path) -> None:
    done = masu("build", "--no-push", "--jobs", "2", write_context(tmp_path / "c", MEETING))
    assert done.returncode == 0, done.stderr
    printed = re.findall(r"^\[(stage \d/3)\] (.*)$", done.stderr, re.MULTILINE)
    assert [text for stage, text in printed if stage == "stage 1/3"] == ["one 1", "one 2", "one 3"]
    assert [text for stage, text in printed if stage == "stage 2/3"] == ["two"]


def test_a_failure_ends_the_other_stages_and_is_reported_with_its_own_last_words(masu: Masu, tmp_path: Path) -> None:
    started = time.monotonic()
    done = masu("build", "--no-push", "--jobs", "2", write_context(tmp_path / "c", FAILING))
    assert done.returncode == 42
    assert time.monotonic() - started < 60
    assert done.stderr.endswith("it printed last:\na word of the failing\n")
    assert list((masu.state / "work").iterdir()) == []


def test_one_job_gives_the_same_image_and_leaves_the_output_as_it_is(masu: Masu, tmp_path: Path) -> None:
    text = MEETING.replace("until", "false && until")
    context, digests = write_context(tmp_path / "c", text), set()
    for jobs in ("1", "3"):
        file = tmp_path / jobs
        done = masu(
            "build", "--no-push", "--jobs", jobs, "--digest-file", file, "--build-arg", "SOURCE_DATE_EPOCH=1000000000", context
        )
        assert done.returncode == 0, done.stderr
        assert ("\none 1\none 2\none 3\n" in done.stderr) is (jobs == "1")
        digests.add(file.read_text())
    assert len(digests) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_a_build_ends_its_commands_and_mounts(number: int, masu: Masu, tmp_path: Path) -> None:
    text = FAILING.replace("exit 42", "sleep 1000")
    build = masu.start("build", "--no-push", "--jobs", "2", write_context(tmp_path / "c", text))
    assert build.stderr is not None
    said = b""
    while not (b"patient" in said and b"of the failing" in said.replace(b"RUN --mount", b"")):
        line = build.stderr.readline()
        assert line, said
        said += b"" if b"RUN" in line else line
    build.send_signal(number)
    assert (
        build.wait(timeout=60)
        == {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -signal.SIGKILL}[signal.Signals(number)]
    )
    deadline = time.monotonic() + 30
    while users := users_of(tmp_path):
        assert time.monotonic() < deadline, users
    again = masu("build", "--no-push", write_context(tmp_path / "again", "FROM base\nRUN true\n"))
    assert again.returncode == 0, again.stderr
    assert list((masu.state / "work").iterdir()) == []


def users_of(directory: Path) -> list[str]:
    """Processes that see something mounted below the directory: the kernel takes a moment to end them all."""
    found = []
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            if str(directory) in path.read_text():
                found.append((path.parent / "cmdline").read_text())
        except (OSError, subprocess.SubprocessError):
            continue  # it has just ended
    return found


def test_a_number_of_jobs_that_is_none_is_refused(masu: Masu, tmp_path: Path) -> None:
    done = masu("build", "--no-push", "--jobs", "0", write_context(tmp_path / "c", "FROM base\n"))
    assert done.returncode == 1
    assert "invalid --jobs '0'" in done.stderr
