from __future__ import annotations

import pytest

from builder.plan.needs import dependencies, has_independent_stages, is_used, needs_contents, needs_layers, needs_rootfs
from builder.values import replace
from tests.support.dockerfiles import lowered

DIAMOND = """
FROM scratch AS base
RUN a
FROM base AS left
RUN b
FROM base AS right
RUN --mount=from=base,target=/x c
FROM scratch
COPY --from=left /x /x
COPY --from=right /x /y
"""


def test_a_stage_needs_its_base_and_all_that_it_reads_from() -> None:
    assert dependencies(lowered(DIAMOND)) == {0: set(), 1: {0}, 2: {0}, 3: {1, 2}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DIAMOND, True),
        ("FROM scratch AS a\nRUN a\nFROM a AS b\nRUN b\nFROM b\nRUN c", False),
        ("FROM scratch AS a\nRUN a\nFROM a AS b\nRUN b\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /", False),
        ("FROM scratch AS a\nRUN a\nFROM scratch\nRUN b\nCOPY --from=a / /", False),
    ],
)
def test_stages_are_independent_if_neither_needs_the_other(text: str, expected: bool) -> None:
    assert has_independent_stages(lowered(text)) is expected


def test_a_tree_is_used_as_long_as_somebody_reads_it_or_begins_with_it() -> None:
    plan = lowered(DIAMOND)
    assert is_used(plan, 0, by={1, 3})
    assert not is_used(plan, 0, by={1, 3}, but_as_base_of=plan.stages[1])
    assert is_used(plan, 0, by={2}, but_as_base_of=plan.stages[2])
    assert not is_used(plan, 0, by={3})


def test_a_stage_that_nobody_reads_and_that_only_links_needs_no_tree() -> None:
    plan = lowered("FROM scratch AS a\nRUN a\nFROM scratch\nCOPY --link --from=a / /")
    assert [needs_rootfs(plan, stage) for stage in plan.stages] == [True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DIAMOND, [True, False, False, True]),
        ("FROM scratch AS a\nRUN a\nFROM a\nRUN b", [True, True]),
        ("FROM scratch AS a\nRUN a\nFROM scratch\nRUN --mount=from=a,target=/a b", [False, True]),
        ("FROM scratch AS a\nRUN a\nFROM scratch\nRUN --mount=type=cache,from=a,target=/a b", [True, True]),
        ("FROM scratch AS a\nRUN a\nCOPY --link f /f\nFROM scratch\nCOPY --from=a / /", [True, True]),
    ],
)
def test_a_stage_needs_layers_if_an_image_is_made_of_it_or_they_tell_its_files(text: str, expected: list[bool]) -> None:
    plan = lowered(text)
    assert [needs_layers(plan, stage) for stage in plan.stages] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM scratch\nWORKDIR /w\nCOPY a b\nADD c d", [False]),
        ("FROM scratch\nCOPY a b\nRUN c", [True]),
        ("FROM scratch AS a\nCOPY a b\nFROM a\nCOPY c d", [False, False]),
        ("FROM scratch AS a\nCOPY a b\nFROM a\nRUN c", [True, True]),
        ("FROM scratch AS a\nCOPY a b\nFROM a\nCOPY --from=a c d", [True, False]),
        ("FROM scratch AS a\nCOPY a b\nFROM scratch\nRUN --mount=from=a,target=/a b", [True, True]),
    ],
)
def test_contents_are_needed_where_something_is_run_or_read(text: str, expected: list[bool]) -> None:
    plan = lowered(text)
    assert [needs_contents(plan, stage) for stage in plan.stages] == expected
    assert all(needs_contents(replace(plan, single_layer=True), stage) for stage in plan.stages)
