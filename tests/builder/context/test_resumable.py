from __future__ import annotations

import io
import random
from dataclasses import dataclass, field

import pytest

from builder.context.resumable import Part, Ranged, Resumable
from builder.errors import ContextError
from builder.retry import Retry, Transient

DATA = random.Random(2).randbytes(300_000)


@dataclass(slots=True)
class Source:
    """Gives DATA in parts of `length` bytes, each broken off; `ranged`: from any place, else from the beginning."""

    length: int
    ranged: bool = True
    data: bytes = DATA
    asked: list[int] = field(default_factory=list)

    def open(self, offset: int, version: str) -> Part:
        self.asked.append(offset)
        start, stop = offset if self.ranged else 0, offset + self.length
        content = io.BytesIO(self.data[start:stop])

        def read(most: int) -> bytes:
            piece = content.read(min(most, 7_000))
            if not piece and stop < len(self.data):
                raise Transient(ContextError("it broke off"))
            return piece

        return Part(start=start, total=len(self.data), version="v", read=read, close=lambda: None)


def quickly(**details: object) -> Retry:
    return Retry(sleep=lambda seconds: None, **details)  # type: ignore[arg-type]


@pytest.mark.parametrize("ranged", [True, False])
def test_what_breaks_off_goes_on_where_it_broke(ranged: bool) -> None:
    source = Source(length=40_000, ranged=ranged)
    with io.BufferedReader(Resumable(source.open, name="x", retry=quickly(tries=2))) as stream:
        assert stream.read() == DATA
    assert source.asked == list(range(0, 300_000, 40_000))


def test_what_has_changed_meanwhile_is_an_error() -> None:
    source = Source(length=40_000, ranged=False)
    with io.BufferedReader(Resumable(source.open, name="x", retry=quickly())) as stream:
        stream.read(30_000)
        source.data = DATA[::-1]
        with pytest.raises(ContextError, match="x: it has changed while it was being downloaded"):
            stream.read()


def test_failures_without_a_byte_between_them_are_counted() -> None:
    source = Source(length=0)
    with pytest.raises(ContextError, match=r"tried 3 times"):
        io.BufferedReader(Resumable(source.open, name="x", retry=quickly(tries=3))).read()
    assert len(source.asked) == 3


def test_ranges_come_in_order_and_each_is_asked_for_again_by_itself() -> None:
    data, asked = random.Random(3).randbytes(50 << 20), []

    def fetch(start: int, length: int) -> bytes:
        asked.append(start)
        if asked.count(start) == 1 and start % (16 << 20) == 0:
            raise Transient(ContextError("it broke off"))
        return data[start : start + length]

    with io.BufferedReader(Ranged(fetch, len(data), name="x", retry=quickly())) as stream:
        assert stream.read() == data
    assert sorted(asked) == sorted([*range(0, len(data), 8 << 20), *range(0, len(data), 16 << 20)])


@pytest.mark.parametrize("size", [0, 1])
def test_small_objects(size: int) -> None:
    with io.BufferedReader(Ranged(lambda start, length: b"x" * length, size, name="x", retry=quickly())) as stream:
        assert stream.read() == b"x" * size


def test_fewer_bytes_than_the_object_has_are_an_error() -> None:
    stream = io.BufferedReader(Ranged(lambda start, length: b"short", 1000, name="x", retry=quickly(tries=2)))
    with stream, pytest.raises(ContextError, match="x: 5 bytes came of the 1000 from 0 on"):
        stream.read()
