from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.redact import Redactor


def shown(secrets: list[bytes], chunks: list[bytes]) -> bytes:
    redactor = Redactor(secrets)
    return b"".join(redactor.feed(chunk) for chunk in chunks) + redactor.flush()


@pytest.mark.parametrize(
    ("secrets", "chunks", "expected"),
    [
        ([], [b"text"], b"text"),
        ([b"hunter2"], [b"a hunter2 b hunter2"], b"a *** b ***"),
        ([b"hunter2"], [b"a hun", b"t", b"er2 b"], b"a *** b"),
        ([b"hunter2"], [b"a hunter"], b"a hunter"),
        ([b"hunter2\n"], [b"hunter2\nx hunter2."], b"***\nx ***."),
        ([b"abab"], [b"xab", b"ab", b"ab"], b"x***ab"),
        ([b"abcd", b"abcdef"], [b"abcd", b"ef abcdx"], b"*** ***x"),
        ([b"abc"], [b"abc"], b"abc"),
        ([b"first line\nsecond line\n}\n"], [b"x second line } first line"], b"x *** } ***"),
        ([b"a.c*"], [b"abcc a.c*"], b"abcc ***"),
        ([b"\xff\xfe\x00\x01"], [b"\xff\xfe", b"\x00\x01"], b"***"),
    ],
)
def test_stars_take_the_place_of_secrets(secrets: list[bytes], chunks: list[bytes], expected: bytes) -> None:
    assert shown(secrets, chunks) == expected


def test_nothing_is_held_back_that_can_not_become_a_secret() -> None:
    redactor = Redactor([b"hunter2"])
    assert [redactor.feed(chunk) for chunk in (b"progress 10%\r", b"ask: h", b"ello")] == [b"progress 10%\r", b"ask: ", b"hello"]


@given(st.lists(st.sampled_from([b"ab", b"a", b"b", b"abba", b"-"]), max_size=30), st.sampled_from([b"abab", b"aabaa", b"abbab"]))
def test_no_way_of_cutting_lets_a_secret_through(chunks: list[bytes], secret: bytes) -> None:
    """`*` isn't in any of them, so a secret in the result is one that came through."""
    result = shown([secret], chunks)
    assert secret not in result
    assert result == shown([secret], [b"".join(chunks)])
