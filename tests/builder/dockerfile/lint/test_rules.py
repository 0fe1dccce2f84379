from __future__ import annotations

from pathlib import Path

import pytest

from builder.dockerfile.lint import RULES
from tests.support.check_cases import CheckCase, masu_checks, read_check_cases

CASES = read_check_cases()


@pytest.mark.parametrize("case", [case for case in CASES if not case.has_base], ids=lambda case: case.id)
def test_the_rules_find_what_the_case_says(case: CheckCase, tmp_path: Path) -> None:
    answer = masu_checks(case, tmp_path, {})
    assert answer.found == case.found, answer
    assert bool(answer.error) == bool(case.fails), answer.error
    assert case.fails in answer.error
    for line, rule, words in case.finds:
        assert any(all(word in detail for word in words) for detail in answer.details(line, rule)), (line, rule, words)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_cases_of_all_kinds(rule: object) -> None:
    name = rule.name  # type: ignore[attr-defined]
    mine = [case for case in CASES if case.rule == name]
    assert len(mine) >= 4
    assert any(name in {found for _, found in case.found} for case in mine)
    assert any(not case.finds for case in mine)
    assert any("skip" in case.sections["Dockerfile"] for case in mine)
    assert any(line > 2 for case in mine for line, found in case.found if found == name)
