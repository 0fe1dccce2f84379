from __future__ import annotations

import contextlib
import io
import json
import logging
from datetime import UTC, datetime

import pytest

from builder.log import Harmless, RunOutput, Shield, formatter
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
    assert lines == [{"level": "info", "severity": "INFO", "stage": "1/2", "message": "a\n"}]


@pytest.mark.parametrize(
    ("log_format", "level", "message", "line"),
    [
        ("color", logging.DEBUG, "a b", "DEBU[0000] a b"),
        ("color", logging.WARNING, "a b", "WARN[0000] a b"),
        ("color", logging.ERROR, "a b", "ERRO[0000] a b"),
        ("text", logging.INFO, 'a "b"', r'time="2026-01-01T00:00:00Z" level=info msg="a \"b\""'),
        ("text", logging.WARNING, "a/b-c", 'time="2026-01-01T00:00:00Z" level=warning msg=a/b-c'),
        (
            "json",
            logging.ERROR,
            "ä b",
            '{"level":"error","msg":"ä b","severity":"ERROR","message":"ä b","time":"2026-01-01T00:00:00Z"}',
        ),
    ],
)
def test_lines_have_logruss_form(log_format: str, level: int, message: str, line: str) -> None:
    record = logging.LogRecord("x", level, "file", 1, message, None, None)
    record.created = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert formatter(CommonOptions(log_format=log_format), terminal=False).format(record) == line


class Marks:
    """A decoration that shows where it is."""

    def begins(self, key: str, title: str) -> str:
        return f"<{key}: {title}>\n"

    def ends(self, key: str) -> str:
        return f"</{key}>\n"

    def shield(self) -> tuple[str, str]:
        return "[[\n", "]]\n"

    def forbidden(self) -> tuple[str, ...]:
        return ("obey::",)

    def harmless(self, text: str) -> str:
        return text.replace("::", ": :")


def test_a_part_is_marked_and_what_commands_print_in_it_is_shielded() -> None:
    sink = io.BytesIO()
    output = RunOutput(sink, CommonOptions(), shield=Shield(sink, Marks()))
    with output.part("step 1", "RUN x") as name:
        output.write(b"a\n")
        output.write(b"no end")
        output.take_tail()
    assert (name, sink.getvalue()) == ("step 1", b"<step 1: RUN x>\n[[\na\nno end\n]]\n</step 1>\n")


def test_a_part_that_fails_is_ended_and_one_that_prints_nothing_needs_no_shield() -> None:
    sink = io.BytesIO()
    output = RunOutput(sink, CommonOptions(), shield=Shield(sink, Marks()))
    with contextlib.suppress(OSError), output.part("a", "b"):
        output.write(b"x\n")
        raise OSError
    with output.part("c", "d"):
        output.take_tail()
    assert sink.getvalue() == b"<a: b>\n[[\nx\n]]\n</a>\n<c: d>\n</c>\n"


def test_commands_that_print_at_the_same_time_have_one_shield_and_no_parts() -> None:
    sink = io.BytesIO()
    shield = Shield(sink, Marks())
    one, other = (RunOutput(sink, CommonOptions(), stage=stage, shield=shield) for stage in ("1", "2"))
    with one.part("a", "b"), other.part("c", "d"):
        one.write(b"x\n")
        other.write(b"y\n")
        one.take_tail()
        other.write(b"z\n")
        other.take_tail()
    assert sink.getvalue() == b"[[\n[1] x\n[2] y\n[2] z\n]]\n"


def test_masus_own_lines_are_made_harmless() -> None:
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(Harmless(formatter(CommonOptions(log_format="text"), terminal=False), Marks()))
    handler.emit(logging.LogRecord("n", logging.INFO, "", 0, "::error::x", (), None))
    assert stream.getvalue().endswith('msg=": :error: :x"\n')


def test_words_that_no_shield_keeps_off_are_made_harmless_in_what_commands_print() -> None:
    sink = io.BytesIO()
    output = RunOutput(sink, CommonOptions(), shield=Shield(sink, Marks()))
    for chunk in (b"a ob", b"ey:", b":b ::c obey:"):
        output.write(chunk)
    assert output.take_tail() == "a obey: :b ::c obey:"
    assert sink.getvalue() == b"[[\na obey: :b ::c obey:\n]]\n"
