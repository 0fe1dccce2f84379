"""eStargz: a gzip layer whose files can be fetched one by one (containerd/stargz-snapshotter, docs/estargz.md).

Each piece of a file is a gzip member of its own; the last file of the archive, the table of contents, says where each begins, and
the last bytes of the blob where the table does. Readers that know nothing of it find a layer with two small files more.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from builder.rootfs.archive import Member, TarReader
from builder.rootfs.pipeline import Pipeline
from builder.rootfs.ustar import BLOCK, header, padding

_TOC = "stargz.index.json"
_LANDMARK = ".no.prefetch.landmark"
"""Says that no file is wanted before the others."""

_OURS = frozenset({_TOC, _LANDMARK, ".prefetch.landmark"})
_PIECE = 1 << 20
"""Bytes of a file in one member: as much as the pipeline compresses at once."""

_TYPES = {
    stat.S_IFREG: "reg", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFDIR: "dir",
    stat.S_IFIFO: "fifo",
}  # fmt: skip
_LAST_SECOND = 253402300799  # of the year 9999, the last that RFC 3339 can write


def write(chunks: Iterator[bytes], pipeline: Pipeline) -> bytes:
    """Write the tar in `chunks` to the pipeline, whose blocks are members; returns the table of contents, a JSON text.

    Of an archive that is eStargz already the table is made anew. Raises RootfsError for a malformed archive.
    """
    table = _Table(pipeline)
    table.add(Member(_LANDMARK, stat.S_IFREG | 0o644, 0, 0, 1, 0, "", False, 0, ()), iter([b"\x0f"]))
    reader = TarReader(chunks)
    for member in reader:
        if member.name not in _OURS:
            table.add(member, reader.content())
    pipeline.cut()
    text = table.text()
    position = pipeline.size
    pipeline.write(header(_TOC, mode=stat.S_IFREG | 0o444, uid=0, gid=0, size=len(text), mtime=0))
    pipeline.write(text + padding(len(text)) + bytes(2 * BLOCK))
    pipeline.append(_footer(position))
    return text


class _Table:
    """Writes entries to the pipeline and remembers where they went."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._entries: list[dict[str, Any]] = []
        self._blocks: list[tuple[dict[str, Any], int]] = []  # entry → the number of its block

    def add(self, member: Member, content: Iterator[bytes | memoryview]) -> None:
        """One entry with its content."""
        name = member.name.rstrip("/") + "/" if stat.S_ISDIR(member.mode) else member.name
        self._pipeline.write(
            header(
                name,
                mode=member.mode,
                uid=member.uid,
                gid=member.gid,
                size=member.size,
                mtime=member.mtime_ns // 10**9,
                link=member.link,
                hard=member.hard,
                rdev=member.rdev,
                xattrs=member.xattrs,
            )
        )
        entry = _entry(member, name)
        self._entries.append(entry)
        if member.size:
            self._content(entry, member.size, content)
            self._pipeline.write(padding(member.size))

    def text(self) -> bytes:
        """The table; asked for when all entries are written."""
        starts = self._pipeline.starts()
        for entry, block in self._blocks:
            entry["offset"] = starts[block]
        return json.dumps({"version": 1, "entries": self._entries}, separators=(",", ":")).encode()

    def _content(self, entry: dict[str, Any], size: int, content: Iterator[bytes | memoryview]) -> None:
        whole, name, done = hashlib.sha256(), entry["name"], 0
        first = entry
        for piece in _pieces(content):
            if done:
                entry = {"name": name, "type": "chunk", "chunkOffset": done}
                self._entries.append(entry)
            whole.update(piece)
            done += len(piece)
            if done < size:
                entry["chunkSize"] = len(piece)
            entry["chunkDigest"] = f"sha256:{hashlib.sha256(piece).hexdigest()}"
            self._blocks.append((entry, self._pipeline.cut()))
            self._pipeline.write(piece)
        first["digest"] = f"sha256:{whole.hexdigest()}"


def _entry(member: Member, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": _text(name),
        "type": "hardlink" if member.hard else _TYPES[stat.S_IFMT(member.mode)],
        "mode": stat.S_IMODE(member.mode),
        "uid": member.uid,
        "gid": member.gid,
    }
    if member.size:
        entry["size"] = member.size
    if member.mtime_ns:
        seconds = max(0, min(member.mtime_ns // 10**9, _LAST_SECOND))
        entry["modtime"] = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if member.link:
        entry["linkName"] = _text(member.link)
    if stat.S_ISCHR(member.mode) or stat.S_ISBLK(member.mode):
        entry |= {"devMajor": os.major(member.rdev), "devMinor": os.minor(member.rdev)}
    if member.xattrs:
        entry["xattrs"] = {key: b64encode(value).decode() for key, value in member.xattrs}
    return entry


def _text(name: str) -> str:
    """JSON holds no bytes that aren't UTF-8: they are shown as Go's encoder does."""
    return os.fsencode(name).decode("utf-8", "replace")


def _pieces(content: Iterator[bytes | memoryview]) -> Iterator[bytes]:
    """The content in pieces of one size, but for the last."""
    piece = bytearray()
    for part in content:
        view = memoryview(part)
        while len(view):
            taken = view[: _PIECE - len(piece)]
            piece += taken
            view = view[len(taken) :]
            if len(piece) == _PIECE:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def _footer(position: int) -> bytes:
    """An empty gzip member of 51 bytes that says where the table's begins."""
    extra = b"SG" + (22).to_bytes(2, "little") + b"%016xSTARGZ" % position
    start = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + len(extra).to_bytes(2, "little")
    return start + extra + b"\x01\0\0\xff\xff" + bytes(8)
