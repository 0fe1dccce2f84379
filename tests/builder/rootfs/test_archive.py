"""Whatever the bytes are, reading an archive ends with members or with a RootfsError."""

from __future__ import annotations

import contextlib
import io
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.errors import RootfsError
from builder.rootfs.archive import BLOCK, Member, TarReader, has_good_checksum
from builder.rootfs.decompress import ReadAhead
from tests.support.tree import make_tar, member

ARCHIVE = make_tar(
    (member("a" * 150, pax_headers={"mtime": "1.5", "SCHILY.xattr.user.k": "v"}), b"content"),
    member("l", type=tarfile.SYMTYPE, linkname="t"),
    member("n", type=tarfile.CHRTYPE, devmajor=5, devminor=6),
)


def members(data: bytes, *, chunk: int = 1 << 20) -> list[tuple[Member, bytes]]:
    reader = TarReader(data[at : at + chunk] for at in range(0, len(data), chunk))
    return [(item, b"".join(bytes(piece) for piece in reader.content())) for item in reader]


def resummed(data: bytes) -> bytes:
    """With the checksum of each block that looks like a header made right."""
    blocks = [bytearray(data[at : at + BLOCK]) for at in range(0, len(data), BLOCK)]
    for block in blocks:
        if block[257:262] == b"ustar" and len(block) == BLOCK:
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
    return b"".join(blocks)


@given(
    changes=st.lists(st.tuples(st.integers(0, len(ARCHIVE) - 1), st.integers(0, 255)), max_size=6),
    end=st.integers(0, len(ARCHIVE)),
)
@settings(max_examples=1000, deadline=None)
def test_damage_is_an_error_of_ours_or_harmless(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(ARCHIVE)
    for position, value in changes:
        data[position] = value
    with contextlib.suppress(RootfsError):
        members(resummed(bytes(data))[: max(end, 1)])


@pytest.mark.parametrize("chunk", [1, 7, 511, 512, 513, 4096])
def test_chunks_may_be_cut_anywhere(chunk: int) -> None:
    found = members(ARCHIVE, chunk=chunk)
    assert [(item.name[:1], item.link, item.rdev, content) for item, content in found] == [
        ("a", "", 0, b"content"),
        ("l", "t", 0, b""),
        ("n", "", 0x506, b""),
    ]
    assert (found[0][0].mtime_ns, found[0][0].xattrs) == (1_500_000_000, (("user.k", b"v"),))


def test_content_may_be_left_unread() -> None:
    assert [item.name[:1] for item in TarReader(iter([ARCHIVE]))] == ["a", "l", "n"]


def test_global_headers_hold_for_all_that_follow() -> None:
    info = tarfile.TarInfo("f")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "77"}) as archive:
        archive.addfile(info)
        archive.addfile(info)
    assert [item.uid for item, _ in members(data.getvalue())] == [77, 77]


def test_numbers_in_base_256() -> None:
    data = make_tar(member("f", uid=1 << 30, mtime=-5), format=tarfile.GNU_FORMAT)
    assert [(item.uid, item.mtime_ns) for item, _ in members(data)] == [(1 << 30, -5 * 10**9)]


def test_a_signed_checksum_is_accepted() -> None:
    header = bytearray(make_tar(member("é"), format=tarfile.GNU_FORMAT)[:BLOCK])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in header)
    assert has_good_checksum(bytes(header))


def test_a_reader_that_stops_early_leaves_no_thread_waiting() -> None:
    with ReadAhead(io.BytesIO(bytes(50 << 20))) as chunks:
        next(chunks)
