"""A layer without the contents of its files, as a small archive: what an outline is made of again and again."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from posixpath import basename
from typing import TYPE_CHECKING, BinaryIO

from builder.rootfs.archive import BLOCK, Member
from builder.rootfs.unpack import Content
from builder.rootfs.users import TABLES
from builder.rootfs.ustar import header, padding

if TYPE_CHECKING:
    import zstandard

_LEVEL = 1
_END = bytes(2 * BLOCK)


@contextmanager
def recorded(path: Path) -> Iterator[Recorder]:
    """Give it to `apply_layer`: of the new file `path` it makes the same outline then as of the layer."""
    import zstandard  # not needed on overlays

    with path.open("xb") as file, zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file) as stream:
        yield Recorder(stream)
        stream.write(_END)


class Recorder:
    """Writes members to `stream` as they pass."""

    def __init__(self, stream: zstandard.ZstdCompressionWriter | BinaryIO) -> None:
        self._stream = stream

    def __call__(self, member: Member, content: Content) -> Content:
        """What is to be read in place of `content`."""
        is_table = stat.S_ISREG(member.mode) and not member.hard and basename(member.name) in TABLES
        self._stream.write(_header(member, is_table=is_table))
        return (lambda: self._passing(member, content)) if is_table else content

    def _passing(self, member: Member, content: Content) -> Iterator[bytes | memoryview]:
        for piece in content():
            self._stream.write(piece)
            yield piece
        self._stream.write(padding(member.size))


def _header(member: Member, *, is_table: bool) -> bytes:
    """Of devices an outline has no more than of files."""
    if member.hard or not (is_table or stat.S_ISDIR(member.mode) or stat.S_ISLNK(member.mode)):
        return header(member.name, mode=stat.S_IFREG, uid=0, gid=0, size=0, mtime=0, link=member.link, hard=member.hard)
    seconds, nanoseconds = divmod(member.mtime_ns, 10**9)
    return header(
        member.name,
        mode=member.mode,
        uid=member.uid,
        gid=member.gid,
        size=member.size,
        mtime=seconds,
        link=member.link,
        xattrs=member.xattrs,
        nanoseconds=nanoseconds,
    )
