from __future__ import annotations

import pytest

from builder.dockerfile.lint import RULES, Choice
from builder.dockerfile.problem import Problem

ALL, NONE = frozenset({"all"}), frozenset[str]()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Choice()),
        ("skip=all", Choice(skip=ALL)),
        ("skip=A,B", Choice(skip=frozenset({"A", "B"}))),
        ("skip=A,all", Choice(skip=frozenset({"A"}))),
        ("error=true", Choice(error=True)),
        ("error=1;skip=A", Choice(error=True, skip=frozenset({"A"}))),
        ("error=F", Choice()),
        ("experimental=all;skip=A;error=false", Choice(experimental=ALL, skip=frozenset({"A"}))),
        ("skip=A # because", Choice(skip=frozenset({"A"}))),
    ],
)
def test_the_options_of_the_check_directive(text: str, expected: Choice) -> None:
    assert Choice.parse(text) == expected


@pytest.mark.parametrize("text", ["all", "skip", "error=yes", "error=", "skip=A;", ";", "SKIP=A", "skip=A;bla=1"])
def test_other_options_are_refused(text: str) -> None:
    with pytest.raises(Problem, match="invalid check option"):
        Choice.parse(text)


@pytest.mark.parametrize(
    ("comments", "expected"),
    [
        ((), NONE),
        (("check=skip=A",), {"A"}),
        (("about", "check = skip=A,B", "more"), {"A", "B"}),
        (("CHECK=skip=A",), {"A"}),
        (("check=skip=A", "check=skip=B"), {"A"}),
        (("check=bla", "check=skip=B"), NONE),
        (("recheck=skip=A",), NONE),
    ],
)
def test_the_first_comment_that_is_a_check_directive_counts(comments: tuple[str, ...], expected: set[str]) -> None:
    assert Choice.above(comments).skip == expected


def test_a_rule_is_skipped_by_the_file_or_by_its_instruction() -> None:
    rule = RULES[0]
    assert Choice().allows(rule)
    assert not Choice(skip=frozenset({rule.name})).allows(rule)
    assert not Choice(skip=ALL).allows(rule)
    assert not Choice().allows(rule, Choice(), Choice(skip=ALL))
    assert Choice(skip=frozenset({"Other"})).allows(rule)


def test_an_experimental_rule_has_to_be_asked_for() -> None:
    (rule,) = [rule for rule in RULES if rule.experimental]
    assert not Choice().allows(rule)
    assert Choice(experimental=ALL).allows(rule)
    assert Choice(skip=ALL).allows(rule, Choice(experimental=frozenset({rule.name})))
