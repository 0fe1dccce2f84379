"""The parser, the lexer and the lowering with texts that nobody would write: never anything but an error with a line, never slow.

`make fuzz-parser N=100000` goes on where this stops.
"""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.dockerfile.parse import parse
from builder.errors import DockerfileError
from tests.fuzz.inputs import known_dockerfiles, random_text, random_word
from tests.fuzz.robust import expand, read

_WORDS = st.text(alphabet="$\\`{}:-+?#%/*ab A\"'<[]=,.0é\n\t\0", max_size=40)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_line(data: bytes) -> None:
    read(data)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "EXPOSE", "HEALTHCHECK", "VOLUME", "ONBUILD"]), _WORDS, _WORDS
)
def test_any_arguments_are_read_or_refused_with_a_line(keyword: str, first: str, second: str) -> None:
    read(f"FROM a\n{keyword} {first} {second}\n".encode())


@settings(max_examples=300, deadline=None)
@given(_WORDS, st.sampled_from("\\`"))
def test_any_word_expands_or_is_a_problem(word: str, escape: str) -> None:
    expand(word, escape)


def test_changed_and_made_up_dockerfiles_are_read_or_refused_with_a_line() -> None:
    known = known_dockerfiles()
    outcomes = {read(random_text(Random(seed), known)) for seed in range(1500)}
    assert outcomes == {"refused", "parsed", "planned"}
    for seed in range(1500):
        expand(random_word(Random(seed)), "\\")


def test_an_empty_file_is_refused_too() -> None:
    with pytest.raises(DockerfileError):
        parse(b"", file="Dockerfile")


def repeated(begin: str, middle: str, end: str = "\n") -> tuple[str, str, str]:
    return begin, middle, end


LONG = [
    repeated("FROM a\nRUN ", "\\"),
    repeated("FROM a\nENV A=", "\\\\"),
    repeated("FROM a\nENV A=", '"'),
    repeated("FROM a\nENV A=", "'a"),
    repeated("FROM a\nENV A=", '"\\"'),
    repeated("FROM a\nENV A=", "${"),
    repeated("FROM a\nENV A=", "${A:-"),
    repeated("FROM a\nENV A=", "${A:-x}"),
    repeated("FROM a\nENV A=", "$A"),
    repeated("FROM a\nENV A=", "${A/a/b}"),
    repeated("FROM a\nENV B=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nENV A=${B#", "*a", "b}\n"),
    repeated("FROM a\nENV B=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nENV A=${B//", "*a", "b/c}\n"),
    repeated("FROM a\nENV B=", "a", "\nENV A=${B%%*b*c}\n"),
    repeated("FROM a\nENV B=", "a", "\nENV A=${B//a/bb}\n"),
    repeated("FROM a\nENV ", "A=b "),
    repeated("FROM a\nLABEL ", 'a="b" '),
    repeated("FROM a\nCOPY ", "a ", "/b\n"),
    repeated("FROM a\nCOPY ", "--x "),
    repeated("FROM a\nCOPY ", "--exclude=a ", "a /b\n"),
    repeated("FROM a\nRUN ", "<<A ", "\n"),
    repeated("FROM a\nRUN <<A\n", "x\n", "A\n"),
    repeated("FROM a\nRUN <<A\n", "x\n", ""),
    repeated("FROM a\nCOPY <<A /a\n", "$B\\n\n", "A\n"),
    repeated("FROM a\n", "RUN <<A\nA\n"),
    repeated("FROM a\nRUN a", " \\\n"),
    repeated("FROM a\nRUN a \\\n", "# x\n", "b\n"),
    repeated("FROM a\nRUN a \\\n", "\n", "b\n"),
    repeated("FROM a\n", "ONBUILD "),
    repeated("FROM a\nONBUILD ", "ONBUILD \\\n"),
    repeated("FROM a\n", "ONBUILD RUN x\n"),
    repeated("FROM a\n", "RUN x\n"),
    repeated("FROM a\n", "COPY a /b\n"),
    repeated("FROM a\nCMD ", "[", "\n"),
    repeated('FROM a\nCMD ["', 'a", "', '"]\n'),
    repeated("FROM a\n", "# syntax=x\n"),
    repeated("", "# check=skip=all\n", "FROM a\n"),
    repeated("", "ARG A=$A\n", "FROM a\n"),
    repeated("FROM a\n", "ARG A=b\n"),
    repeated("", "FROM a AS b\n", ""),
    repeated("FROM a\nEXPOSE ", "1 "),
    repeated("FROM a\nHEALTHCHECK --interval=", "1h", " CMD x\n"),
    repeated("FROM a\nHEALTHCHECK --interval=", "9", "s CMD x\n"),
    repeated("FROM a\n", " ", "\n"),
    repeated("FROM a\n", "\n", "RUN x\n"),
    repeated("FROM a\n", "FOO", " x\n"),
    repeated("FROM ", "a/", "b\n"),
    repeated("FROM ", "a:", "b\n"),
    repeated("FROM a", "\0", "\n"),
    repeated("FROM a\nRUN --mount=type=bind,", "a,", " x\n"),
    repeated("FROM a\nRUN --mount=", '"', " x\n"),
]


@pytest.mark.parametrize("parts", LONG, ids=lambda parts: repr(parts[0][-12:] + parts[1]))
def test_four_times_the_text_takes_no_sixteen_times_as_long(parts: tuple[str, str, str]) -> None:
    """Processor time, the best of several: at most ten times as much for four times the text, which quadratic is far from."""
    begin, middle, end = parts
    count = 12_000 // len(middle)
    small, large = (seconds(f"{begin}{middle * (count * factor)}{end}".encode()) for factor in (1, 4))
    assert large < 10 * max(small, 0.004), f"{small:.4f} s, then {large:.4f} s"


def seconds(data: bytes) -> float:
    spent = []
    for _ in range(3):
        began = time.process_time()
        read(data)
        spent.append(time.process_time() - began)
        if spent[-1] > 3:
            break
    return min(spent)
