from __future__ import annotations

import io
from dataclasses import replace

import pytest

from builder.errors import ImageError
from builder.image.blob import Blob
from builder.image.media import OCI_LAYER, OCI_MANIFEST
from builder.image.verify import SMALL_LIMIT, pieces, read_small, sized, verified

DATA = bytes(range(256)) * 5000
DESCRIPTOR = Blob.of(DATA, OCI_LAYER).descriptor


def read(data: bytes, *, step: int = -1) -> bytes:
    with verified(io.BytesIO(data), DESCRIPTOR, where="here") as stream:
        pieces = []
        while piece := stream.read(step):
            pieces.append(piece)
        return b"".join(pieces)


@pytest.mark.parametrize("step", [-1, 1000, 1 << 22])
def test_the_right_bytes_come_through(step: int) -> None:
    assert read(DATA, step=step) == DATA


@pytest.mark.parametrize(
    ("data", "what"),
    [(DATA[:-1], "ends 1 bytes before"), (b"", "ends"), (DATA + b"x", "longer"), (b"x" + DATA[1:], "has the digest")],
)
def test_any_other_bytes_are_an_error(data: bytes, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        read(data)


def test_a_wrong_blob_never_gives_its_last_byte() -> None:
    with verified(io.BytesIO(b"x" + DATA[1:]), DESCRIPTOR, where="here") as stream, pytest.raises(ImageError):
        stream.read(len(DATA))


def test_a_huge_manifest_is_not_read_at_all() -> None:
    huge = replace(DESCRIPTOR, media_type=OCI_MANIFEST, size=SMALL_LIMIT + 1)
    source = io.BytesIO(b"x")
    with pytest.raises(ImageError, match="too large"):
        read_small(source, huge, where="here")
    assert source.tell() == 0


def test_what_is_verified_once_is_not_verified_again() -> None:
    with verified(io.BytesIO(DATA), DESCRIPTOR, where="here") as stream:
        assert verified(stream, DESCRIPTOR, where="there") is stream
        assert verified(stream, replace(DESCRIPTOR, size=1), where="there") is not stream


def test_a_sized_stream_has_the_right_size_and_any_bytes() -> None:
    with sized(io.BytesIO(b"x" + DATA[1:]), DESCRIPTOR, where="here") as stream:
        assert stream.read() == b"x" + DATA[1:]
        assert verified(stream, DESCRIPTOR, where="there") is not stream
    for data in (DATA[:-1], DATA + b"x"):
        with pytest.raises(ImageError), sized(io.BytesIO(data), DESCRIPTOR, where="here") as stream:
            stream.read()


def test_pieces_are_the_content() -> None:
    assert b"".join(bytes(piece) for piece in pieces(io.BytesIO(DATA), most=1000)) == DATA
