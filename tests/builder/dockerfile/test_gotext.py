from __future__ import annotations

import pytest

from builder.dockerfile.gotext import duration, parse_duration, plain_list, quote, quote_list

_SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("5s", 5 * _SECOND),
        ("1.5h", 5400 * _SECOND),
        ("1m30s", 90 * _SECOND),
        ("100ms", _SECOND // 10),
        (".5s", _SECOND // 2),
        ("5.s", 5 * _SECOND),
        ("7us", 7000),
        ("7µs", 7000),
        ("-5s", -5 * _SECOND),
        ("+5s", 5 * _SECOND),
        ("0.3ns", 0),
    ],
)
def test_go_durations_are_read(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "s", ".s", "5 s", "5x", "1d", "--5s", "9999999999h", "9" * 5000 + "s", "٥s"])
def test_other_durations_are_errors(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["0s", "1ns", "1.5µs", "1ms", "1.001ms", "999.999999ms", "1s", "1.5s", "59s", "1m0s", "1m30s", "1h0m0s", "36h5m1.25s"]
)
def test_durations_are_written_as_go_writes_them(text: str) -> None:
    assert duration(parse_duration(text)) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b", '"a b"'),
        ('"\\', '"\\"\\\\"'),
        ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'),
        ("♥", '"♥"'),
        ("\u2028", '"\\u2028"'),
        ("\udcff", '"\\xff"'),
    ],
)
def test_strings_are_quoted_as_go_quotes_them(text: str, expected: str) -> None:
    assert quote(text) == expected


def test_lists_have_no_commas() -> None:
    assert (quote_list(["a", "b c"]), plain_list(["a", "b c"]), quote_list([])) == ('["a" "b c"]', "[a b c]", "[]")
