from __future__ import annotations

import pytest

from builder.dockerfile.problem import Problem
from builder.dockerfile.words import expand, expand_body, expand_words, raw_words
from tests.support.shared import shared

_ENV = {"PWD": "/home", "SHELL": "bash", "KOREAN": "한국어", "NULL": ""}


def outcome(word: str, env: dict[str, str], *, escape: str = "\\") -> str:
    try:
        return expand(word, env, escape=escape)
    except Problem:
        return "error"


def test_every_row_of_buildkits_table_of_expansions_comes_out_the_same() -> None:
    rows = [row for row in shared("corpora/buildkit/envVarTest").read_text().splitlines() if row.strip() and row[0] in "AU"]
    assert len(rows) == 228
    for row in rows:
        _, source, expected = row.split("|")
        assert outcome(source.strip(), _ENV) == expected.strip(), row


def test_every_row_of_buildkits_table_of_words_comes_out_the_same() -> None:
    env: dict[str, str] = {}
    checked = 0
    for row in shared("corpora/buildkit/wordsTest").read_text().split("\n"):
        if row.startswith("ENV "):
            key, _, value = row[4:].partition("=")
            env[key] = value
        elif row and not row.startswith("#"):
            source, expected = row.split("|")
            try:
                found = expand_words(source.strip(), env)
            except Problem:
                found = ["error"]
            assert found == expected.lstrip(" ").split(","), row
            checked += 1
    assert checked == 24


_VALUES = {
    "FOO": "xxyy",
    "EMPTY": "",
    "v": "foobarbaz",
    "stars": "xx**",
    "path": "/tmp/tmp/bar.txt",
    "needle": "/tmp",
    "wild": "?",
}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("${v#f*b}", "arbaz"),
        ("${v##f*b}", "az"),
        ("${v%b*}", "foobar"),
        ("${v%%b*}", "foo"),
        ("${v/ba/fo}", "fooforbaz"),
        ("${v//ba/fo}", "fooforfoz"),
        ("${FOO#*x*y}", "y"),
        ("${FOO#*}", "xxyy"),
        ("${FOO##*}", ""),
        ("${FOO##*x}", "yy"),
        ("${FOO#$EMPTY}", "xxyy"),
        ("${FOO#$wild}", "xyy"),
        ("${FOO%}", "xxyy"),
        ("${stars%%\\**}", "xx"),
        ("${path/$needle/}", "/tmp/bar.txt"),
        ("${path//$needle/}", "/bar.txt"),
        ("${path//\\//:}", ":tmp:tmp:bar.txt"),
        ("${path//\\//\\/}", "\\/tmp\\/tmp\\/bar.txt"),
        ("${FOO/$EMPTY/ww}", "wwxxyy"),
        ("${FOO//*/z}", "z"),
        ("${FOO///}", "xxyy"),
        ("${FOO//ww}", "error"),
        ("${FOO/ww}", "error"),
        ("${FOO#\\x}", "error"),
        ("${FOO#[x]}", "xxyy"),
        ("${FOO:#x}", "error"),
        ("${FOO:%x}", "error"),
        ("${FOO=x}", "error"),
        ("${FOO:=x}", "error"),
        ("${#FOO}", "error"),
        ("${FOO^^}", "error"),
        ("${EMPTY-x}", ""),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${NONE-a${FOO}b}", "axxyyb"),
        ("${NONE?why $FOO}", "error"),
        ("${NONE:-'a}b'}", "a}b"),
        ('${NONE:-"a}b"}', "a}b"),
        ('"${NONE:-x y}"', "x y"),
        ("$FOO$FOO", "xxyyxxyy"),
        ("$", "$"),
        ("a$", "a$"),
    ],
)
def test_operators(word: str, expected: str) -> None:
    assert outcome(word, _VALUES) == expected


def test_the_message_of_a_missing_variable_is_expanded() -> None:
    with pytest.raises(Problem, match=r"^VAR: give me xxyy$"):
        expand("${VAR:?give me $FOO}", _VALUES)


@pytest.mark.parametrize(
    ("word", "escape", "expected"),
    [
        ("`$A", "`", "$A"),
        ("\\$A", "`", "\\1"),
        ('"`$A \\$A"', "`", "$A \\1"),
        ("C:\\dir", "`", "C:\\dir"),
        ("C:\\dir", "\\", "C:dir"),
    ],
)
def test_the_escape_character_can_be_chosen(word: str, escape: str, expected: str) -> None:
    assert outcome(word, {"A": "1"}, escape=escape) == expected


def test_the_body_of_a_heredoc_keeps_its_quotes_and_loses_backslashes() -> None:
    assert expand_body("a \"$A\" '$A' \\n \\$A $(cmd)\n", {"A": "1"}) == "a \"1\" '1' n $A $(cmd)\n"


def test_raw_words_keep_everything() -> None:
    assert raw_words("RUN a\\ b \"c d\" '$e' ${f:-g} << EOF <<-x") == [
        "RUN",
        "a\\ b",
        '"c d"',
        "'$e'",
        "${f:-g}",
        "<< EOF",
        "<<-x",
    ]


def test_substitutions_nested_too_deeply_are_an_error_and_not_a_crash() -> None:
    with pytest.raises(Problem, match="nested"):
        expand("${A:-" * 50_000 + "}" * 50_000, {})


def test_patterns_take_no_exponential_time() -> None:
    assert expand("${V##" + "*a" * 30 + "b}", {"V": "a" * 2_000}) == "a" * 2_000
