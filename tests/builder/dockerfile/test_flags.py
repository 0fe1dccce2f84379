from __future__ import annotations

import pytest

from builder.dockerfile.flags import Flags, Kind, parse_flags
from builder.dockerfile.problem import Problem

_KNOWN = {"link": Kind.BOOLEAN, "chown": Kind.ONCE, "mount": Kind.LIST}


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ((), {}),
        (("--link",), {"link": ("true",)}),
        (("--link=TRUE",), {"link": ("true",)}),
        (("--link=false",), {"link": ("false",)}),
        (("--chown=a=b",), {"chown": ("a=b",)}),
        (("--chown=",), {"chown": ("",)}),
        (("--mount=a", "--mount=b"), {"mount": ("a", "b")}),
    ],
)
def test_flags_are_read(words: tuple[str, ...], values: dict[str, tuple[str, ...]]) -> None:
    assert parse_flags(words, _KNOWN) == Flags(values=values)


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("--chwon=a",), "unknown flag '--chwon'", "did you mean '--chown'?"),
        (("--LINK",), "unknown flag '--LINK'", "did you mean '--link'?"),
        (("--zzz",), "unknown flag '--zzz'", ""),
        (("--chown=a", "--chown=b"), "flag '--chown' is given twice", ""),
        (("--link", "--link"), "flag '--link' is given twice", ""),
        (("--link=",), "flag '--link' needs a value", "write it as --link=…"),
        (("--chown",), "flag '--chown' needs a value", "write it as --chown=…"),
        (("--link=1",), "flag '--link' is true or false, not '1'", ""),
    ],
)
def test_wrong_flags_are_told(words: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_flags(words, _KNOWN)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_flag_that_is_absent_has_no_truth() -> None:
    assert (Flags().truth("link"), Flags().text("chown"), Flags().texts("mount")) == (None, "", ())
