from __future__ import annotations

import pytest

from builder.dockerfile.problem import nearest


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("VERSOIN", ["PATH", "VERSION"], "VERSION"),
        ("abc", ["abcde", "abcd"], "abcd"),
        ("abc", ["abd", "abe"], "abd"),
        ("abc", ["abcdef"], ""),
        ("abc", ["xyz", "Abc"], "Abc"),
        ("abc", ["abd", "abc"], ""),
        ("ab", ["cd"], "cd"),
        ("", ["a"], "a"),
        ("a", [], ""),
    ],
)
def test_the_first_name_that_is_less_than_three_edits_away(word: str, known: list[str], expected: str) -> None:
    assert nearest(word, known) == expected
