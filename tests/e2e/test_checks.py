"""Each case of `checks/` is checked by masu and by a current Docker: the same rules at the same lines, the same culprits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.known_check_differences import KNOWN
from tests.support.bases import Bases
from tests.support.check_cases import CheckCase, docker_checks, masu_checks, read_check_cases
from tests.support.oracle import Docker

CASES = read_check_cases()


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_docker_finds_the_same(case: CheckCase, docker: Docker, bases: Bases, tmp_path: Path) -> None:
    answer = docker_checks(case, tmp_path, docker, bases)
    if case.id in KNOWN:
        assert answer.found == KNOWN[case.id][1], "the engine finds something else than the table says"
        assert answer.found != case.found, "this is no difference any more"
        return
    assert answer.found == case.found, answer.warnings
    assert bool(answer.error) == bool(case.fails), answer.error
    assert case.fails in answer.error
    for line, rule, words in case.finds:
        assert any(all(word in detail for word in words) for detail in answer.details(line, rule)), (line, rule, words)


@pytest.mark.oracle
@pytest.mark.parametrize("case", [case for case in CASES if case.has_base], ids=lambda case: case.id)
def test_masu_finds_it_on_base_images(case: CheckCase, bases: Bases, tmp_path: Path) -> None:
    answer = masu_checks(case, tmp_path, bases.references())
    assert answer.found == case.found, answer
    assert not answer.error


def test_every_known_difference_is_one_of_a_case() -> None:
    assert set(KNOWN) <= {case.id for case in CASES}
