"""A layer without the contents of its files, as a small archive: what an outline is made of again and again."""

from __future__ import annotations

import stat
from pathlib import Path
from posixpath import basename

import zstandard

from builder.image.layer import Layer
from builder.rootfs.archive import BLOCK, Member, TarReader
from builder.rootfs.decompress import ReadAhead
from builder.rootfs.unpack import check_diff_id, explained
from builder.rootfs.users import TABLES
from builder.rootfs.ustar import header, padding

_LEVEL = 1
_END = bytes(2 * BLOCK)


def write_outline(layer: Layer, to: Path) -> None:
    """Write into the new file `to` what `apply_layer` makes the same outline of as of the layer itself.

    Raises as `apply_layer`.
    """
    hasher = layer.diff_id.hasher()
    with (
        layer.blob.open() as stream,
        ReadAhead(stream, hasher=hasher) as chunks,
        explained(),
        to.open("xb") as file,
        zstandard.ZstdCompressor(level=_LEVEL).stream_writer(file) as writer,
    ):
        reader = TarReader(chunks)
        for member in reader:
            is_whole = _is_whole(member)
            writer.write(_header(member, is_whole=is_whole))
            if is_whole:
                for piece in reader.content():
                    writer.write(piece)
                writer.write(padding(member.size))
        writer.write(_END)
    check_diff_id(layer.diff_id, hasher)


def _is_whole(member: Member) -> bool:
    """Whether an outline has all of it."""
    if member.hard:
        return False
    is_table = stat.S_ISREG(member.mode) and basename(member.name) in TABLES
    return is_table or stat.S_ISDIR(member.mode) or stat.S_ISLNK(member.mode)


def _header(member: Member, *, is_whole: bool) -> bytes:
    """Of devices an outline has no more than of files."""
    if not is_whole:
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
