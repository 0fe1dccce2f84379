from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.dockerfile.instructions import INSTRUCTIONS
from builder.errors import DockerfileError
from tests.support.dockerfiles import failure, lowered, parsed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Dockerfile:1: file with no instructions"),
        ("# a\n\n# b\n", "Dockerfile:1: file with no instructions"),
        ("ARG A\nARG B\n", "Dockerfile:2: dockerfile contains no stages to build"),
        ("ARG A\nRUN x\nFROM a", "Dockerfile:2: RUN stands before the first FROM"),
        ("FROM a\nFROM b\nRUUN x\n", "Dockerfile:3: unknown instruction 'RUUN'\n     3 | RUUN x [did you mean 'RUN'?]"),
        ("FROM a\nXYZZY x\n", "Dockerfile:2: unknown instruction 'XYZZY'"),
        ("FROM a\nRUN\u00a0x\n", "Dockerfile:2: unknown instruction 'RUN\\xa0x'"),
        ("FROM a\nRUN a \\\\\n b\n", "Dockerfile:3: unknown instruction 'b'"),
        ("FROM a\nONBUILD FOO x\n", "Dockerfile:2: unknown instruction 'FOO'"),
        ("FROM a b", "Dockerfile:1: FROM needs either one argument or three"),
        ("FROM a AS", "Dockerfile:1: FROM needs either one argument or three"),
        ("FROM a IS b", "Dockerfile:1: FROM needs either one argument or three"),
        ("FROM", "Dockerfile:1: FROM needs either one argument or three"),
        ("FROM a AS 1b", "Dockerfile:1: invalid name for a stage: '1b'"),
        ("FROM a AS b/c", "Dockerfile:1: invalid name for a stage: 'b/c'"),
        (
            "FROM --plaform=x a",
            "Dockerfile:1: unknown flag '--plaform'\n     1 | FROM --plaform=x a [did you mean '--platform'?]",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, message: str) -> None:
    assert failure(text).startswith(message)


def test_stages_have_their_names_arguments_and_instructions() -> None:
    file = parsed("ARG V=1\nARG W\nFROM a:$V AS Build\nRUN x\nCMD y\nfrom --platform=linux/arm64 b\n")
    assert [arg.defaults for arg in file.global_args] == [(("V", "1"),), (("W", None),)]
    assert [(stage.index, stage.name, stage.origin.base, stage.origin.platform) for stage in file.stages] == [
        (0, "build", "a:$V", ""),
        (1, "", "b", "linux/arm64"),
    ]
    assert [[item.line.keyword for item in stage.instructions] for stage in file.stages] == [["run", "cmd"], []]


def test_a_from_in_a_heredoc_is_no_stage() -> None:
    assert len(parsed("FROM a\nRUN <<E\nFROM b\nE\nCOPY <<F /\nFROM c\nF\n").stages) == 1


@pytest.mark.parametrize(
    ("syntax", "noted"),
    [
        ("docker/dockerfile:1", False),
        ("docker/dockerfile", False),
        ("docker.io/docker/dockerfile@sha256:0", False),
        ("docker/dockerfile-upstream:master", False),
        ("acme/frontend:2", True),
    ],
)
def test_a_frontend_of_somebody_else_is_noted(syntax: str, noted: bool) -> None:
    assert bool(parsed(f"# syntax={syntax}\nFROM a").notes) is noted


def test_bytes_that_are_not_utf_8_are_kept() -> None:
    (stage,) = parsed(b"FROM a\nMAINTAINER \xff\n").stages
    assert stage.instructions[0].line.rest == "\udcff"


_PIECES = (
    *(name.upper() for name in INSTRUCTIONS),
    *(
        "FROM a\n",
        "FROM scratch AS b\n",
        "--from=",
        "--",
        "<<E",
        "\nE\n",
        "\\\n",
        "#",
        "# escape=`\n",
        '["a"]',
        "[",
        "$A",
        "${A:-",
    ),
    *("}", "${A##*", "'", '"', "=", "\n", " ", "\t", "\0", "\udcff", "é", "A=1", "NONE", "CMD", "1s", "80/udp"),
)


def outcome(data: bytes) -> int:
    """The line of what is wrong, 1 if nothing is; other errors than the file's are let through."""
    try:
        lowered(data)
    except DockerfileError as error:
        return error.line
    return 1


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=4), max_size=40))
def test_any_text_is_read_or_refused_with_a_line(pieces: list[str]) -> None:
    assert outcome(b"FROM a\n" + "".join(pieces).encode("utf-8", "surrogatepass")) > 0


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert outcome(data) > 0


def seconds(lines: int) -> float:
    """The best of three, for a Dockerfile with long instructions, heredocs and many stages."""
    text = "".join(
        f"FROM a AS s{n}\nRUN a \\\n b \\\n # c\n c\nENV A{n}='b' C=\"$A\"\nCOPY <<E /x\nb\nE\n" for n in range(lines // 9)
    )
    text += "RUN x" + " \\\n y" * lines
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        parsed(text)
        best = min(best, time.perf_counter() - started)
    return best


def test_time_grows_with_the_length_and_not_with_its_square() -> None:
    assert seconds(8_000) < 12 * seconds(2_000)
