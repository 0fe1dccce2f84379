from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from builder.govalues import csv_fields, parse_bool, parse_duration, parse_int, parse_size, parse_unsigned


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a", ["a"]),
        ("a,b=c,", ["a", "b=c", ""]),
        (",", ["", ""]),
        ('"a,b",c', ["a,b", "c"]),
        ('"a ""b""",c', ['a "b"', "c"]),
        ('""', [""]),
        ("a b,c", ["a b", "c"]),
    ],
)
def test_fields(text: str, fields: list[str]) -> None:
    assert csv_fields(text) == fields


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("336h", 336 * 3600), ("1h30m", 5400), ("1.5s", 1.5), (".5m", 30), ("-2h", -7200), ("+1s", 1), ("0", 0), ("250ms", 0.25)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "1d", "1h 2m", "1h2", "99999999999999h", "--1h", "1.h.", "٣h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("-1", -1), ("+9", 9), ("007", 7)])
def test_whole_numbers(text: str, number: int) -> None:
    assert parse_int(text) == number


@pytest.mark.parametrize("text", ["", "x", "1.0", "1e3", "2147483648", "--1", "٣", " 1"])
def test_what_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError):
        parse_int(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1000", 1000),
        ("1k", 1024),
        ("1KB", 1024),
        ("1 kib", 1024),
        ("1.5m", 3 << 19),
        ("64m", 64 << 20),
        ("2G", 2 << 30),
        ("7b", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (csv_fields, ""),
        (csv_fields, 'a"b'),
        (csv_fields, '"a'),
        (csv_fields, '"a"b'),
        (parse_size, ""),
        (parse_size, "-1"),
        (parse_size, "5q"),
        (parse_size, "1  k"),
        (parse_size, "9" * 40),
        (parse_size, "٣"),
        (parse_bool, "yes"),
        (parse_bool, ""),
        (parse_unsigned, ""),
        (parse_unsigned, "-1"),
        (parse_unsigned, "1_0"),
        (parse_unsigned, "4294967296"),
        (parse_unsigned, " 1"),
    ],
)
def test_what_is_no_value(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ValueError):
        read(text)


def test_numbers_and_truths() -> None:
    assert (parse_unsigned("4294967295"), parse_unsigned("0755", base=8)) == (2**32 - 1, 0o755)
    assert (parse_bool("T"), parse_bool("0")) == (True, False)
    with pytest.raises(ValueError):
        parse_unsigned("8", base=8)
