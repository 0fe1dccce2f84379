"""Answers read from bytes: whole, or an error; every place where one can be cut is tried."""

from __future__ import annotations

import io
from typing import cast

import pytest

from builder.registry.response import Response, read_head

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"
WHOLE = {
    "length": LENGTH + b"hello world",
    "chunked": CHUNKED + b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n",
    "padded": CHUNKED + b"0005\r\nhello\r\n0006 \r\n world\r\n00\r\nX-Trailer: y\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + LENGTH + b"hello world",
}


class Reading:
    """An answer that is read from bytes; `lasts` when it has ended."""

    def __init__(self, raw: bytes, method: str = "GET") -> None:
        source = cast(io.BufferedReader, io.BufferedReader(io.BytesIO(raw)))
        self.lasts: list[bool] = []
        self.response = Response(source, read_head(source), method=method, end=self.lasts.append)

    def body(self, step: int = 1 << 20) -> bytes:
        parts = []
        while part := self.response.read(step):
            parts.append(part)
        return b"".join(parts)

    def body_into(self, step: int) -> bytes:
        buffer, parts = memoryview(bytearray(step)), []
        while size := self.response.readinto(buffer):
            parts.append(bytes(buffer[:size]))
        return b"".join(parts)


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("step", [1, 3, 5, 11, 1000])
def test_a_whole_answer_is_read(kind: str, step: int) -> None:
    for read in (Reading.body, Reading.body_into):
        reading = Reading(WHOLE[kind] + b"HTTP/1.1 200 not its own")
        assert read(reading, step) == b"hello world"
        assert reading.lasts == [True]
        assert reading.response.readinto(memoryview(bytearray(9))) == 0
        reading.response.close()
        assert reading.lasts == [True]


@pytest.mark.parametrize("kind", WHOLE)
def test_an_answer_that_is_cut_anywhere_is_none(kind: str) -> None:
    for end in range(len(WHOLE[kind])):
        ended: list[list[bool]] = []

        def read(raw: bytes, *, into: bool, ended: list[list[bool]] = ended) -> None:
            reading = Reading(raw)
            ended.append(reading.lasts)
            reading.body_into(4) if into else reading.body(4)

        for into in (False, True):
            with pytest.raises(ConnectionError):
                read(WHOLE[kind][:end], into=into)
        assert ended in ([], [[False], [False]])


def test_without_a_length_the_connection_ends_the_answer() -> None:
    reading = Reading(b"HTTP/1.1 200 OK\r\n\r\nhello world")
    assert (reading.response.length, reading.body(4), reading.lasts) == (None, b"hello world", [False])


@pytest.mark.parametrize(
    ("method", "head"),
    [("HEAD", "200 OK\r\nContent-Length: 11"), ("HEAD", "200 OK\r\nTransfer-Encoding: chunked"), ("GET", "204 No"),
     ("GET", "304 Not Modified\r\nContent-Length: 11"), ("PUT", "201 Created\r\nContent-Length: 0"), ("GET", "204")],
)  # fmt: skip
def test_an_answer_without_a_body_is_at_its_end(method: str, head: str) -> None:
    reading = Reading(f"HTTP/1.1 {head}\r\n\r\n".encode() + b"next", method)
    assert (reading.body(), reading.lasts) == (b"", [True])


@pytest.mark.parametrize(
    ("version", "header", "lasts"),
    [("1.1", "A: b", True), ("1.1", "Connection: close", False), ("1.1", "connection: x, Close", False), ("1.0", "A: b", False),
     ("1.0", "Connection: Keep-Alive", True)],
)  # fmt: skip
def test_servers_say_whether_the_connection_lasts(version: str, header: str, lasts: bool) -> None:
    reading = Reading(f"HTTP/{version} 200 OK\r\n{header}\r\nContent-Length: 2\r\n\r\nab".encode())
    assert (reading.body(), reading.lasts) == (b"ab", [lasts])


def test_what_is_given_up_early_ends_the_connection() -> None:
    reading = Reading(WHOLE["length"])
    reading.response.read(5)
    reading.response.close()
    assert (reading.lasts, reading.body()) == ([False], b"")


def test_headers_have_names_in_any_case_and_are_joined() -> None:
    lines = b"Link: </a>; rel=x\r\nLINK:</b>\r\nX:\r\nno header\r\n: nor this\r\nFolded: a\r\n\t b\r\nSpaced : c \r\nL: \xe9\r\n"
    headers = Reading(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n").response.headers
    assert dict(headers) == {"link": "</a>; rel=x, </b>", "x": "", "folded": "a b", "spaced": "c", "l": "é"}
    assert headers["lInK"] == headers["Link"]
    assert headers.get("Y", "none") == "none"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 099 X\r\n\r\n", b"HTTP/1.1 20 X\r\n\r\n", b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
        *(b"HTTP/1.1 200 OK\r\nContent-Length: " + text + b"\r\n\r\nabc" for text in (b"-1", b"x", b"3, 4", b"9" * 5000, b"0x3")),
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        *(CHUNKED + size + b"\r\nabc\r\n0\r\n\r\n" for size in (b"", b"x", b"-3", b"+3", b"0x3", b"1_0", b"2", b"4", b"f" * 16)),
        CHUNKED + b"3" * 70_000 + b"\r\n", CHUNKED + b"0\r\n" + b"X: y\r\n" * 101,
    ],
    ids=lambda raw: repr(raw[-40:]),
)  # fmt: skip
def test_what_means_nothing_is_refused(raw: bytes) -> None:
    with pytest.raises(ConnectionError):
        Reading(raw).body()


@pytest.mark.parametrize("text", ["11", "11, 11", "0011"])
def test_a_length_that_is_said_twice_is_one(text: str) -> None:
    reading = Reading(f"HTTP/1.1 200 OK\r\nContent-Length: {text}\r\n\r\nhello world".encode())
    assert (reading.response.length, reading.body()) == (11, b"hello world")


def test_chunks_win_over_a_length() -> None:
    raw = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\n") + b"5\r\nhello\r\n0\r\n\r\n"
    assert Reading(raw).body() == b"hello"
