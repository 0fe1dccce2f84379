"""Reads tar archives as they come: ustar and PAX (POSIX.1-2017, pax(1)), GNU's long names and base-256 numbers (GNU tar manual,
"Standard").

Hand-written for speed: one slice a header field, no seeking, nothing held but the current chunk.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from builder.errors import RootfsError
from builder.rootfs.owner import keeps_xattr

BLOCK = 512
EXTENSION_LIMIT = 1 << 20
"""Bytes of the PAX headers and GNU long names that one entry has, and of all global ones; Go's archive/tar has it for each."""
NAME_LIMIT = 4096
"""Bytes of a name: no program could open a longer one (PATH_MAX)."""
TRAILER_LIMIT = 64 << 20
"""Bytes after an archive's end. Archivers fill up to a record, which is some kilobytes."""

_SIZE_LIMIT = 1 << 60
_NOTHING = bytes(BLOCK)
_XATTR = "SCHILY.xattr."
_EXTENSIONS = b"xgLK"
_HARD_LINK = ord("1")
_SPARSE = ord("S")
_OLD_REGULAR = 0
_TYPES = {
    _OLD_REGULAR: stat.S_IFREG, ord("0"): stat.S_IFREG, ord("7"): stat.S_IFREG, _HARD_LINK: stat.S_IFREG, ord("2"): stat.S_IFLNK,
    ord("3"): stat.S_IFCHR, ord("4"): stat.S_IFBLK, ord("5"): stat.S_IFDIR, ord("6"): stat.S_IFIFO,
}  # fmt: skip


class Member(NamedTuple):
    """One entry: `mode` with type bits; `size` in bytes, 0 but for regular files.

    `link` is a link's target, `hard` tells the kind.
    """

    name: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    link: str
    hard: bool
    rdev: int
    xattrs: tuple[tuple[str, bytes], ...]


class TarReader:
    """Iterate over the members; `content()` gives the bytes of the current one. Malformed input raises RootfsError."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._feed = _Feed(chunks)
        self._left = 0  # bytes of the current member that weren't read yet
        self._padding = 0
        self._globals: dict[str, bytes] = {}
        self._extended = self._extended_globally = 0  # bytes of the headers that count at the moment
        self._last = ""

    def __iter__(self) -> Iterator[Member]:
        """Ends at the archive's end; what follows is read as well, for whoever checks the digest of the stream."""
        local: dict[str, bytes] = {}
        while (header := self._header()) is not None:
            kind = header[156]
            if kind in _EXTENSIONS:
                self._extension(kind, header, local)
                continue
            extended = {**self._globals, **local} if self._globals else local
            member = _member(header, extended)
            if local:
                local, self._extended = {}, 0
            self._last = member.name
            self._left, self._padding = member.size, -member.size % BLOCK
            yield member
        self._feed.drain(TRAILER_LIMIT)

    def content(self) -> Iterator[bytes | memoryview]:
        """The current member's bytes in pieces."""
        while self._left:
            piece = self._feed.some(self._left)
            if not piece:
                raise self._truncated()
            self._left -= len(piece)
            yield piece

    def _header(self) -> bytes | None:
        """The next header block; None at the end of the archive."""
        while self._left:
            for _ in self.content():
                pass
        if self._padding and len(self._feed.take(self._padding)) < self._padding:
            raise self._truncated()
        self._padding = 0
        header = self._feed.take(BLOCK)
        if not header or header == _NOTHING:
            return None
        if len(header) < BLOCK:
            raise self._truncated()
        if not has_good_checksum(header):
            raise RootfsError(f"invalid tar archive: damaged header after {self._last!r}")
        return header

    def _extension(self, kind: int, header: bytes, local: dict[str, bytes]) -> None:
        """Read a PAX header or a GNU long name, which tell about the entry that follows (`g`: about all that follow)."""
        try:
            size = _number(header[124:136], "size")
        except ValueError as error:
            raise RootfsError(f"invalid tar archive: extended header after {self._last!r}: {error}") from error
        if self._counted(kind, size) > EXTENSION_LIMIT:
            raise RootfsError(f"invalid tar archive: extended header of {size} bytes or many of them after {self._last!r}")
        data = self._feed.take(size)
        if len(data) < size:
            raise self._truncated()
        self._padding = -size % BLOCK
        if kind in b"LK":
            local["path" if kind == ord("L") else "linkpath"] = data.split(b"\0", 1)[0]
        else:
            self._records(data, local if kind == ord("x") else self._globals)

    def _counted(self, kind: int, size: int) -> int:
        """The bytes of all headers that count for the next entry, or for all, together with one of `size` bytes."""
        if kind == ord("g"):
            self._extended_globally += size
            return self._extended_globally
        self._extended += size
        return self._extended

    def _records(self, data: bytes, into: dict[str, bytes]) -> None:
        """Records are `length key=value` and a newline, the length counting itself."""
        position = 0
        while position < len(data):
            space = data.find(b" ", position, position + 20)
            digits = data[position : max(space, position)]
            end = position + int(digits) if digits.isdigit() else 0
            key, equals, value = data[space + 1 : end - 1].partition(b"=")
            if end <= space or end > len(data) or data[end - 1 : end] != b"\n" or not equals:
                raise RootfsError(f"invalid tar archive: malformed extended header after {self._last!r}")
            into[os.fsdecode(key)] = value
            position = end

    def _truncated(self) -> RootfsError:
        return RootfsError(f"truncated tar archive: it ends in or after {self._last!r}")


def _member(header: bytes, extended: Mapping[str, bytes]) -> Member:
    name = _text(header[:100])
    if header[345] and header[257:263] == b"ustar\0":
        name = _text(header[345:500]) + "/" + name
    link = _text(header[157:257])
    try:
        if extended:
            name = _extended_text(extended, "path", name)
            link = _extended_text(extended, "linkpath", link)
        if len(name) > NAME_LIMIT:
            raise RootfsError(f"invalid tar entry {name[:40]!r}…: its name has {len(name)} characters")
        kind = header[156]
        mode = _type(kind, name, extended) | _number(header[100:108], "mode") & 0o7777
        hard = kind == _HARD_LINK
        # Links may carry a size without content (POSIX; Go's archive/tar reads them so, too).
        has_content = stat.S_ISREG(mode) and not hard
        return Member(
            name,
            mode,
            _field(extended, "uid", header[108:116]),
            _field(extended, "gid", header[116:124]),
            _field(extended, "size", header[124:136]) if has_content else 0,
            _time(extended, header[136:148]),
            link,
            hard,
            os.makedev(_number(header[329:337], "major"), _number(header[337:345], "minor")) if kind in b"34" else 0,
            _xattrs(extended) if extended else (),
        )
    except ValueError as error:
        raise RootfsError(f"invalid tar archive: {name!r}: {error}") from error


def _type(kind: int, name: str, extended: Mapping[str, bytes]) -> int:
    if kind == _SPARSE or (extended and any(key.startswith("GNU.sparse.") for key in extended)):
        raise RootfsError(f"unsupported tar entry {name!r}: a GNU sparse file", hint="make the archive without --sparse")
    if kind == _OLD_REGULAR and name.endswith("/"):
        return stat.S_IFDIR
    try:
        return _TYPES[kind]
    except KeyError:
        raise RootfsError(f"unsupported tar entry {name!r}: type {chr(kind)!r}") from None


def _text(field: bytes) -> str:
    return os.fsdecode(field.partition(b"\0")[0])


def _extended_text(extended: Mapping[str, bytes], key: str, default: str) -> str:
    value = extended.get(key)
    if not value:
        return default
    if b"\0" in value:
        raise ValueError(f"NUL in {key}")
    return os.fsdecode(value)


def _field(extended: Mapping[str, bytes], key: str, raw: bytes) -> int:
    """A number that PAX may give in decimal; bytes or ids, never negative."""
    if extended and (value := extended.get(key)):
        if not value.isdigit() or len(value) > 20:
            raise ValueError(f"invalid {key} {value[:40]!r}")
        number = int(value)
    else:
        number = _number(raw, key)
    if number >= (_SIZE_LIMIT if key == "size" else 1 << 32):
        raise ValueError(f"invalid {key} {number}")
    return number


def _number(raw: bytes, key: str) -> int:
    """Octal text, or GNU's base-256: the first bit set, the rest a big-endian two's complement number."""
    if raw[0] & 0x80:
        number = (
            int.from_bytes(raw, "big", signed=True)
            if raw[0] == 0xFF
            else int.from_bytes(raw, "big") & ((1 << (8 * len(raw) - 1)) - 1)
        )
    else:
        text = raw.partition(b"\0")[0].strip()
        try:
            number = int(text, 8) if text else 0
        except ValueError:
            raise ValueError(f"invalid {key} {raw!r}") from None
    if number < 0 and key != "mtime":
        raise ValueError(f"negative {key} {number}")
    return number


def _time(extended: Mapping[str, bytes], raw: bytes) -> int:
    """Modification time in nanoseconds, clamped to what a 64-bit timestamp holds."""
    value = extended.get("mtime") if extended else None
    if value:
        seconds, _, fraction = value.partition(b".")
        digits = seconds.removeprefix(b"-")
        if not digits.isdigit() or (fraction and not fraction.isdigit()) or len(value) > 64:
            raise ValueError(f"invalid mtime {value[:40]!r}")
        part = int(fraction[:9].ljust(9, b"0"))
        nanoseconds = int(digits) * 10**9 + part
        if seconds.startswith(b"-"):
            nanoseconds = -nanoseconds
    else:
        nanoseconds = _number(raw, "mtime") * 10**9
    return max(-(1 << 62), min(nanoseconds, 1 << 62))


def _xattrs(extended: Mapping[str, bytes]) -> tuple[tuple[str, bytes], ...]:
    found = ((key.removeprefix(_XATTR), value) for key, value in extended.items() if key.startswith(_XATTR))
    return tuple(sorted((name, value) for name, value in found if keeps_xattr(name)))


def has_good_checksum(header: bytes) -> bool:
    """Whether a block of 512 bytes is a tar header by its own sum (pax(1), "ustar Interchange Format")."""
    field = header[148:156]
    try:
        wanted = _number(field, "checksum")
    except ValueError:
        return False
    # The low half of Adler-32 is one plus the sum of all bytes, modulo 65521; this is much faster than sum().
    blanked = (zlib.adler32(header) & 0xFFFF) - 1 - sum(field) + 8 * 0x20
    if (blanked - wanted) % 65521 == 0:
        return True
    signed = sum(byte - 256 if byte > 127 else byte for byte in header[:148] + header[156:]) + 8 * 0x20
    return signed == wanted  # what some old tars wrote


class _Feed:
    """Chunks as a stream of which any number of bytes can be taken."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._position = 0

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer at the end of the stream only."""
        end = self._position + size
        if end <= len(self._chunk):
            data = self._chunk[self._position : end]
            self._position = end
            return data
        parts = []
        while size and (piece := self.some(size)):
            parts.append(bytes(piece))
            size -= len(piece)
        return b"".join(parts)

    def some(self, size: int) -> bytes | memoryview:
        """At least one byte and at most `size`; none at the end of the stream only."""
        if self._position == len(self._chunk):
            self._chunk = next(self._chunks, b"")
            self._position = 0
        start = self._position
        self._position = min(start + size, len(self._chunk))
        if start == 0 and self._position == len(self._chunk):
            return self._chunk
        return memoryview(self._chunk)[start : self._position]

    def drain(self, most: int) -> None:
        """Read to the end of the stream; raises RootfsError when that doesn't come within `most` bytes."""
        left = most
        for chunk in self._chunks:
            left -= len(chunk)
            if left < 0:
                raise RootfsError(f"invalid tar archive: it goes on for more than {most >> 20} MiB after its end")
