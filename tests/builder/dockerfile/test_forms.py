from __future__ import annotations

import pytest

from builder.dockerfile import forms
from builder.dockerfile.forms import Arguments
from builder.dockerfile.problem import Problem


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ('["a", "b c"]', Arguments(words=("a", "b c"), json=True)),
        ('[ "a" ]', Arguments(words=("a",), json=True)),
        ("[]", Arguments(json=True)),
        ('["\\ud800"]', Arguments(words=("\ufffd",), json=True)),
        ('["\udcff"]', Arguments(words=("\ufffd",), json=True)),
        ("['a']", Arguments(words=("['a']",))),
        ('["a"] x', Arguments(words=('["a"] x',))),
        ('["a",]', Arguments(words=('["a",]',))),
        ("[NaN]", Arguments(words=("[NaN]",))),
        ("[" * 100_000, Arguments(words=("[" * 100_000,))),
        ('{"a": 1}', Arguments(words=('{"a": 1}',))),
        ("a  b", Arguments(words=("a  b",))),
        ("", Arguments()),
    ],
)
def test_json_or_string(rest: str, expected: Arguments) -> None:
    assert forms.json_or_string(rest, "\\", "CMD") == expected


@pytest.mark.parametrize("rest", ["[1]", '["a", null]', '[["a"]]', '[{"a": "b"}]'])
def test_a_json_array_of_other_than_strings_is_an_error(rest: str) -> None:
    with pytest.raises(Problem, match="strings only"):
        forms.json_or_string(rest, "\\", "CMD")


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("a=b", ("a", "b", "=")),
        ("a=b c=d", ("a", "b", "=", "c", "d", "=")),
        ("a= b='c d'", ("a", "", "=", "b", "'c d'", "=")),
        ('a="b \\" c"', ("a", '"b \\" c"', "=")),
        ("a=b\\ c", ("a", "b\\ c", "=")),
        ("a=b=c", ("a", "b=c", "=")),
        ("a b  c", ("a", "b  c", "")),
        ("a b=c", ("a", "b=c", "")),
        ("=b", ("", "b", "=")),
        ("", ()),
    ],
)
def test_pairs(rest: str, expected: tuple[str, ...]) -> None:
    assert forms.pairs(rest, "\\", "ENV").words == expected


@pytest.mark.parametrize(
    ("rest", "message"),
    [("a", "ENV must have two arguments"), ("a=b c", "ENV has no '=' in 'c'"), ("a=b # c", "ENV has no '=' in '#'")],
)
def test_pairs_that_are_none(rest: str, message: str) -> None:
    with pytest.raises(Problem, match=message):
        forms.pairs(rest, "\\", "ENV")


@pytest.mark.parametrize(
    ("rest", "escape", "expected"),
    [
        ("a b=c", "\\", ("a", "b=c")),
        ("a=\"b c\" 'd e'", "\\", ('a="b c"', "'d e'")),
        ("a=b` c", "`", ("a=b` c",)),
        ("a='b\\' c", "\\", ("a='b\\'", "c")),
        ("a\\", "\\", ("a",)),
        ("a='b c", "\\", ("a='b c",)),
        ("a\u00a0b", "\\", ("a", "b")),
    ],
)
def test_quoted_words(rest: str, escape: str, expected: tuple[str, ...]) -> None:
    assert forms.names_or_pairs(rest, escape, "ARG").words == expected


def test_words_are_not_split_at_a_non_breaking_space() -> None:
    assert forms.words("a\u00a0b \t c", "\\", "FROM").words == ("a\u00a0b", "c")


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("CMD a  b", Arguments(words=("CMD", "a  b"))),
        ('CMD ["a"]', Arguments(words=("CMD", "a"), json=True)),
        ("NONE", Arguments(words=("NONE",))),
        ("", Arguments()),
    ],
)
def test_typed_commands(rest: str, expected: Arguments) -> None:
    assert forms.typed_command(rest, "\\", "HEALTHCHECK") == expected
