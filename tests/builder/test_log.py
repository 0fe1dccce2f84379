from __future__ import annotations

import io
import json

import pytest

from builder.log import RunOutput
from builder.options import CommonOptions


def shown(
    *chunks: bytes, stage: str = "stage 1/2", log_format: str = "color", secrets: tuple[bytes, ...] = ()
) -> tuple[bytes, str]:
    """What goes to the sink, and the tail at the end."""
    sink = io.BytesIO()
    output = RunOutput(sink, CommonOptions(log_format=log_format), secrets=secrets, stage=stage)
    for chunk in chunks:
        output.write(chunk)
    tail = output.take_tail()
    return sink.getvalue(), tail


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((b"a\nb\n",), b"[stage 1/2] a\n[stage 1/2] b\n"),
        ((b"a", b"b\nc", b"\n"), b"[stage 1/2] ab\n[stage 1/2] c\n"),
        ((b"no end",), b"[stage 1/2] no end\n"),
        ((b"10 %\r20 %\r", b"30 %\r\n"), b"[stage 1/2] 10 %\n[stage 1/2] 20 %\n[stage 1/2] 30 %\n"),
        ((b"", b"\n", b""), b"[stage 1/2] \n"),
    ],
)
def test_each_line_has_the_stage_before_it_and_comes_in_one_piece(chunks: tuple[bytes, ...], expected: bytes) -> None:
    assert shown(*chunks)[0] == expected


def test_the_output_of_a_stage_alone_is_passed_on_as_it_comes() -> None:
    assert shown(b"a", b"b\r", b"c", stage="") == (b"ab\rc", "ab\nc")


def test_the_tail_has_no_stage_before_its_lines() -> None:
    assert shown(b"a\nb")[1] == "a\nb"


def test_a_secret_that_comes_in_two_pieces_is_hidden_in_whole_lines_too() -> None:
    assert shown(b"x sec", b"ret y\n", secrets=(b"secret",)) == (b"[stage 1/2] x *** y\n", "x *** y")


def test_a_line_that_does_not_end_is_passed_on_in_pieces() -> None:
    sent, _ = shown(b"x" * 20000)
    assert sent.replace(b"[stage 1/2] ", b"").replace(b"\n", b"") == b"x" * 20000


def test_json_tells_the_stage() -> None:
    lines = [json.loads(line) for line in shown(b"a\n", log_format="json")[0].splitlines()]
    assert lines == [{"level": "info", "stage": "1/2", "output": "a\n"}]
