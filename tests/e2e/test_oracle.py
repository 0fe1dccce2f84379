"""Each case is built by masu and by a current Docker: every file and every field of the config and the history are compared."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

import pytest

from tests.e2e.known_differences import KNOWN, stale, unknown
from tests.support.bases import Bases
from tests.support.build_case import build_case
from tests.support.cases import Case, read_cases
from tests.support.images import Difference, differences
from tests.support.oracle import Docker
from tests.support.shared import REPOSITORY

CASES = read_cases(Path(__file__).parent / "cases")
GOOD = [case for case in CASES if "says" not in case.sections]
BAD = [case for case in CASES if "says" in case.sections]


@pytest.fixture
def engine(case: Case, request: pytest.FixtureRequest) -> Docker:
    """The engine that can do what the case is about."""
    return cast(Docker, request.getfixturevalue("merging_docker" if case.group == "link" else "docker"))


@pytest.mark.oracle
@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.id)
def test_masu_makes_the_image_that_docker_makes(case: Case, engine: Docker, bases: Bases, tmp_path: Path) -> None:
    expected = engine.remembered(case, bases)
    assert expected.image, f"docker doesn't build it: {expected.log}"
    built = build_case(case, bases, tmp_path)
    assert built.image, f"masu doesn't build it: {built.log}"
    found = differences(expected.image, built.image)
    assert not unknown(case.id, found), _report(unknown(case.id, found))
    assert not stale(case.id, found), f"these are no differences any more: {stale(case.id, found)}"


@pytest.mark.oracle
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_masu_refuses_what_docker_refuses(case: Case, docker: Docker, bases: Bases, tmp_path: Path) -> None:
    expected = docker.remembered(case, bases)
    assert expected.image is None, "docker builds it"
    finished = build_case(case, bases, tmp_path)
    assert finished.exit_code not in (0, 70), finished.log
    assert "Traceback" not in finished.log
    for log in (expected.log, finished.log):
        assert case.sections["says"].strip().lower() in log.lower(), log


@pytest.mark.oracle
def test_a_failing_run_gives_its_exit_code(docker: Docker, bases: Bases, tmp_path: Path) -> None:
    case = Case(group="errors", name="exit code", sections={"Dockerfile": "FROM @BUSYBOX@\nRUN exit 42\n"})
    assert build_case(case, bases, tmp_path).exit_code == 42


@pytest.mark.oracle
def test_the_same_case_gives_the_same_blobs_for_the_same_epoch(docker: Docker, bases: Bases, tmp_path: Path) -> None:
    text = "FROM @BUSYBOX@\nCOPY . /a\nRUN rm -r /data/dir; mkdir /x; echo x > /x/y; ln /x/y /x/z\n"
    sections = {
        "Dockerfile": text,
        "context": "echo 1 > 1; mkdir d; ln 1 d/1",
        "options": "--build-arg SOURCE_DATE_EPOCH=1000000000",
    }
    case = Case(group="none", name="reproducible", sections=sections)
    digests = set()
    for run in ("one", "two"):
        (tmp_path / run).mkdir()
        assert build_case(case, bases, tmp_path / run).exit_code == 0
        digests.add(json.loads((tmp_path / run / "layout/index.json").read_text())["manifests"][0]["digest"])
    assert len(digests) == 1


@pytest.mark.oracle
def test_an_xz_archive_is_unpacked_though_docker_does_so_only_where_xz_is_installed(bases: Bases, tmp_path: Path) -> None:
    script = "mkdir t; echo x > t/x; ln t/x t/hard; tar -cJf a.tar.xz -C t .; tar -cf a.tar -C t ."
    text = "FROM scratch\nADD a.tar /plain\nADD a.tar.xz /xz\n"
    case = Case(group="none", name="xz", sections={"context": script, "Dockerfile": text})
    image = build_case(case, bases, tmp_path).image
    assert image
    assert sorted(path for path in image.files if path.startswith("/xz")) == ["/xz", "/xz/hard", "/xz/x"]
    assert image.files["/xz/x"].sha256 == image.files["/plain/x"].sha256


def test_every_known_difference_is_explained_and_no_explanation_is_left_over() -> None:
    text = (REPOSITORY / "docs/differences.md").read_text()
    headings = set(re.findall(r"^## (.+)$", text, re.MULTILINE))
    assert {known.heading for rows in KNOWN.values() for known in rows} <= headings
    assert set(KNOWN) <= {case.id for case in GOOD}


def test_there_are_enough_cases_of_every_group() -> None:
    assert len(GOOD) >= 80
    groups = "config variables lines copy add flags link heredoc run stages onbuild ignore debian"
    assert set(groups.split()) <= {case.group for case in GOOD}
    assert {case.group for case in BAD} == {"errors", "mount-errors"}


def _report(found: list[Difference]) -> str:
    return f"{len(found)} differences:\n" + "\n".join(str(difference) for difference in found[:60])
