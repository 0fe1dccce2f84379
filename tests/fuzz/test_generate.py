"""The generator, the filter and the shrinker, without any builder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.generate import case_text, generate
from tests.fuzz.known import failure_heading, heading
from tests.fuzz.shrink import shrink
from tests.support.cases import Case, read_cases
from tests.support.images import Difference
from tests.support.shared import REPOSITORY


def test_the_same_seed_gives_the_same_case() -> None:
    assert generate(7) == generate(7)
    assert generate(7) != generate(8)


def test_a_case_that_is_written_down_reads_back_the_same(tmp_path: Path) -> None:
    cases = [generate(seed) for seed in range(300)]
    (tmp_path / "fuzz.case").write_text("".join(map(case_text, cases)))
    assert read_cases(tmp_path) == cases


def test_nearly_every_context_can_be_made(tmp_path: Path) -> None:
    references = dict.fromkeys(("busybox", "fields", "zstd", "index"), "base")
    for seed in range(20):
        (tmp_path / str(seed)).mkdir()
        generate(seed).make_context(tmp_path / str(seed), references)


def case_of(dockerfile: str, context: str = "") -> Case:
    return Case(group="fuzz", name="seed 0", sections={"context": context, "Dockerfile": dockerfile})


def test_a_case_shrinks_to_what_makes_it_fail() -> None:
    case = case_of("FROM a AS s0\nENV A=1\nCOPY a b c /d\nRUN x; y; z\nUSER u\n", "true\n")

    def fails(case: Case) -> bool:
        return re.search(r"COPY.* b .*/d\nRUN.*y", case.sections["Dockerfile"]) is not None

    assert dict(shrink(case, fails).sections) == {"Dockerfile": "COPY b /d\nRUN y\n"}


def test_shrinking_ends_after_so_many_tries() -> None:
    tried: list[Case] = []

    def fails(case: Case) -> bool:
        tried.append(case)
        return False

    shrink(generate(3), fails, tries=5)
    assert len(tried) == 5


def difference(path: str, field: str, docker: str = "1", masu: str = "2") -> Difference:
    return Difference(path=path, field=field, docker=docker, masu=masu)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (difference("/data/hard1", "links"), "Hard links to files of a lower layer"),
        (difference("/moved3/x", "mtime"), "Directories of a lower layer that a RUN moves"),
        (difference("/moved3/x", "mode"), ""),
        (difference("/data/hard1", "presence"), ""),
        (difference("/hardly/x", "links"), ""),
        (difference("/data/file", "links"), ""),
        (difference("(history 2)", "created_by", '"HEALTHCHECK &{x"', '"HEALTHCHECK {x"'), "HEALTHCHECK in the history"),
        (difference("(history 2)", "created_by"), ""),
    ],
)
def test_what_is_explained_is_told_from_what_is_not(found: Difference, expected: str) -> None:
    case = case_of("FROM a\nRUN x\n")
    assert heading(case, found) == expected
    assert not expected or f"\n## {expected}\n" in (REPOSITORY / "docs/differences.md").read_text()


def test_hard_links_are_compared_strictly_where_nothing_runs() -> None:
    case = replace(case_of("FROM a\nCOPY hard1 hard2 /\n"))
    assert not heading(case, difference("/hard1", "links"))


def test_only_a_wildcard_below_what_is_not_found_explains_that_docker_fails() -> None:
    log = "ERROR: failed to build: failed to solve: lstat /conf: no such file or directory"
    expected = failure_heading(case_of("FROM a\nCOPY conf/[a-z]* /b\n"), log)
    assert f"\n## {expected}\n" in (REPOSITORY / "docs/differences.md").read_text()
    assert not failure_heading(case_of("FROM a\nCOPY conf/a /b*\n"), log)
    assert not failure_heading(case_of("FROM a\nCOPY conf/[a-z]* /b\n"), "failed to solve: something else")
