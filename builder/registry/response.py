"""Answers as they come from a connection (HTTP/1.1, RFC 9112): head and body, whole or none.

A connection that ends is never taken for the end of an answer, unless nothing else could tell it. The standard library's
http.client does that within a head and within the size of a chunk, and needs the email package for it: 16 ms of a start, and a
tenth of a millisecond of each answer.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping

from builder.values import dataclass

_LONGEST_LINE = 64 << 10
_MOST_LINES = 100
_PIECE = 64 << 10
_STATUS = re.compile(rb"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t]+([^\r\n]*))?\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_LENGTH = re.compile(r"([0-9]{1,18})(?:, *\1)*")
_BODILESS = frozenset({204, 304})


class Headers(Mapping[str, str]):
    """By name, in any case; of several with one name the values are joined by commas (RFC 9110, 5.3)."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """The names are in lower case."""
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What an answer begins with; `lasts`: whether the connection is there for another after it."""

    status: int
    reason: str
    headers: Headers
    lasts: bool


def read_head(source: io.BufferedReader) -> Head:
    """The next answer's; those that only promise one (1xx) are skipped. Raises ConnectionError for what isn't one."""
    for _ in range(_MOST_LINES):
        line = source.readline(_LONGEST_LINE + 1)
        if not line:
            raise ConnectionError("the server closed the connection without an answer")
        found = _STATUS.fullmatch(line)
        if found is None:
            raise ConnectionError(f"this is no answer of HTTP/1.1: {line[:60]!r}")
        headers, status = _headers(source), int(found[2])
        if status >= 200:
            lasts = _lasts(int(found[1]), headers.get("connection", "").lower())
            return Head(status=status, reason=(found[3] or b"").decode("latin-1").strip(), headers=headers, lasts=lasts)
    raise ConnectionError("the server only says that it will answer")


def _lasts(minor: int, said: str) -> bool:
    return "close" not in said if minor else "keep-alive" in said


def _headers(source: io.BufferedReader) -> Headers:
    """Up to the empty line. What has no colon is none; after white space one goes on, as it once could (RFC 9112, 5.2)."""
    values: dict[str, str] = {}
    name = ""
    for _ in range(_MOST_LINES):
        line = _line(source)
        if line in (b"\r\n", b"\n"):
            return Headers(values)
        text = line.decode("latin-1")
        if text[0] in " \t":
            if name:
                values[name] = f"{values[name]} {text.strip()}"
            continue
        name, colon, value = text.partition(":")
        name = name.strip().lower() if colon else ""
        if name:
            values[name] = f"{values[name]}, {value.strip()}" if name in values else value.strip()
    raise ConnectionError(f"an answer with more than {_MOST_LINES} headers")


def _line(source: io.BufferedReader) -> bytes:
    line = source.readline(_LONGEST_LINE + 1)
    if line.endswith(b"\n"):
        return line
    if len(line) > _LONGEST_LINE:
        raise ConnectionError(f"an answer with a line of more than {_LONGEST_LINE} bytes")
    raise ConnectionError("the connection ended within the head of the answer")


class Response:
    """An answer whose body is yet to be read. `end` is called once, when it has been, or never can be.

    It is told whether the connection can be used again. `length` is the body's, None if only its end tells.
    """

    def __init__(self, source: io.BufferedReader, head: Head, *, method: str, end: Callable[[bool], None]) -> None:
        self.status = head.status
        self.headers = head.headers
        self.length, self._is_chunked = _framing(head, method)
        self._source = source
        self._lasts = head.lasts
        self._end: Callable[[bool], None] | None = end
        self._left = self.length
        self._part = "a chunk" if self._is_chunked else "the answer"
        self._has_begun = False
        if self._left == 0:
            self._finish()

    def readinto(self, buffer: memoryview) -> int:
        """One read of the connection, without a copy; 0 at the end. Raises OSError when it breaks."""
        if self._end is None or not buffer:
            return 0
        try:
            return self._receive(buffer)
        except BaseException:
            self.close()
            raise

    def read(self, size: int) -> bytes:
        """What has arrived, up to `size` bytes; empty at the end. Raises OSError as `readinto` does."""
        buffer = memoryview(bytearray(min(size, self._left or _PIECE, _PIECE)))
        return bytes(buffer[: self.readinto(buffer)])

    def close(self) -> None:
        """Nothing more is wanted of it: the connection can't be used again, unless all has been read."""
        end, self._end = self._end, None
        if end is not None:
            end(False)

    def _receive(self, buffer: memoryview) -> int:
        if self._is_chunked and not self._left:
            self._left = self._next_chunk()
            if not self._left:
                self._finish()
                return 0
        size = self._source.readinto1(buffer if self._left is None else buffer[: self._left])
        if self._left is None:
            if not size:
                self.close()
            return size
        if not size:
            raise ConnectionError(f"the connection ended {self._left} bytes before the end of {self._part}")
        self._left -= size
        if not self._left and not self._is_chunked:
            self._finish()
        return size

    def _next_chunk(self) -> int:
        """How long it is; 0 for the last, behind which there may be headers that nobody wants."""
        if self._has_begun and _line(self._source) != b"\r\n":
            raise ConnectionError("an answer with a chunk that isn't as long as it says")
        self._has_begun = True
        line = _line(self._source)
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise ConnectionError(f"an answer with a chunk of {line[:20]!r} bytes")
        size = int(found[1], 16)
        if not size:
            _headers(self._source)
        return size

    def _finish(self) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(self._lasts)


def _framing(head: Head, method: str) -> tuple[int | None, bool]:
    """The length of the body, and whether it comes in chunks (RFC 9112, 6.3). Raises ConnectionError when nobody could tell."""
    coding = head.headers.get("transfer-encoding", "").lower()
    if method == "HEAD" or head.status in _BODILESS:
        return 0, False
    if coding == "chunked":
        return None, True
    if coding not in ("", "identity"):
        raise ConnectionError(f"an answer in the transfer coding {coding[:60]!r}, which nobody asked for")
    text = head.headers.get("content-length", "")
    found = _LENGTH.fullmatch(text)
    if text and found is None:
        raise ConnectionError(f"an answer of {text[:60]!r} bytes")
    return int(found[1]) if found else None, False
