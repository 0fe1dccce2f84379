from __future__ import annotations

import pytest

from builder.errors import UsageError
from steps.github_actions.lists import lines, split, unquoted_lines, untrimmed_lines


@pytest.mark.parametrize(
    ("text", "as_list", "as_lines"),
    [
        ("", (), ()),
        ("a", ("a",), ("a",)),
        ("a,b", ("a", "b"), ("a,b",)),
        ("a\nb\r\n\nc\n", ("a", "b", "c"), ("a", "b", "c")),
        (" a , b ", ("a", "b"), ("a , b",)),
        ('"A=x,y"', ("A=x", "y"), ("A=x,y",)),
        ('"A=x,y",b\n"c,d"', ("A=x,y", "b", "c", "d"), ("A=x,y,b", "c,d")),
        ('"A=line 1\nline 2"\nB=z', ("A=line 1\nline 2", "B=z"), ("A=line 1\nline 2", "B=z")),
        ('"A={""k"": 1}"', ('A={"k": 1}',), ('A={"k": 1}',)),
        ('A="x y"', ('A="x y"',), ('A="x y"',)),
        ('"a"b', ('"a"b',), ('"a"b',)),
        ("A=1,2=3", ("A=1", "2=3"), ("A=1,2=3",)),
        ("type=registry,ref=a:1\ntype=gha", ("type=registry", "ref=a:1", "type=gha"), ("type=registry,ref=a:1", "type=gha")),
    ],
)
def test_values_are_read_as_dockers_actions_read_them(text: str, as_list: tuple[str, ...], as_lines: tuple[str, ...]) -> None:
    assert (split(text, "x"), lines(text, "x")) == (as_list, as_lines)


def test_what_is_in_quotes_keeps_its_last_line_end_where_nothing_is_trimmed() -> None:
    assert untrimmed_lines('\n"KEY=-----\nend\n"\n\nB= x \nC=y\n', "x") == ("KEY=-----\nend\n", "B= x ", "C=y")


def test_only_a_line_feed_ends_a_line() -> None:
    assert unquoted_lines("--label=a=b\u2028c\x0bd\r\n\n --x") == ("--label=a=b\u2028c\x0bd", "--x")


def test_a_quote_without_end_is_an_error_that_names_the_input() -> None:
    with pytest.raises(UsageError, match="'secrets' has a double quote") as caught:
        lines('"A=top secret', "secrets")
    assert "top secret" not in str(caught.value)
