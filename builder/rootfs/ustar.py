"""Writes tar headers: ustar, preceded by a PAX header only for what ustar can't say (POSIX.1-2017, pax(1))."""

from __future__ import annotations

import os
import stat

BLOCK = 512
_NAME = 100
_PREFIX = 155
_ID_LIMIT = 8**7
_SIZE_LIMIT = 8**11
_TYPES = {
    stat.S_IFREG: b"0", stat.S_IFLNK: b"2", stat.S_IFCHR: b"3", stat.S_IFBLK: b"4", stat.S_IFDIR: b"5", stat.S_IFIFO: b"6",
}  # fmt: skip
_NO_OWNER_NAMES = bytes(64)


def header(
    name: str,
    *,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    link: str = "",
    hard: bool = False,
    rdev: int = 0,
    xattrs: tuple[tuple[str, bytes], ...] = (),
    nanoseconds: int = 0,
) -> bytes:
    """The blocks before an entry's content. `mode` has the type bits, `size` is in bytes, `mtime` in seconds since the epoch,
    plus `nanoseconds`.

    `name` has a trailing slash for a directory; with `hard`, `link` is the name of an entry before this one.
    """
    raw_name, raw_link = os.fsencode(name), os.fsencode(link)
    extended = [(f"SCHILY.xattr.{key}".encode("utf-8", "surrogateescape"), value) for key, value in xattrs]
    prefix, short_name = _split(raw_name)
    if short_name is None:
        extended.append((b"path", raw_name))
        prefix, short_name = b"", _plain(raw_name)
    if len(raw_link) > _NAME or not raw_link.isascii():
        extended.append((b"linkpath", raw_link))
        raw_link = _plain(raw_link)
    for key, number, limit in ((b"uid", uid, _ID_LIMIT), (b"gid", gid, _ID_LIMIT), (b"size", size, _SIZE_LIMIT)):
        if number >= limit:
            extended.append((key, b"%d" % number))
    if nanoseconds or not 0 <= mtime < _SIZE_LIMIT:
        extended.append((b"mtime", _time(mtime, nanoseconds)))
    kind = b"1" if hard else _TYPES[stat.S_IFMT(mode)]
    numbers = (mode & 0o7777, uid if uid < _ID_LIMIT else 0, gid if gid < _ID_LIMIT else 0)
    sizes = (size if size < _SIZE_LIMIT else 0, mtime if 0 <= mtime < _SIZE_LIMIT else 0)
    block = _block(short_name, prefix, numbers, sizes, kind, raw_link, rdev)
    return _pax(extended, raw_name) + block if extended else block


def padding(size: int) -> bytes:
    """What follows content of `size` bytes."""
    return bytes(-size % BLOCK)


def _time(seconds: int, nanoseconds: int) -> bytes:
    """As a decimal fraction: what comes after a minus sign is a magnitude."""
    if not nanoseconds:
        return b"%d" % seconds
    total = abs(seconds * 10**9 + nanoseconds)
    sign = b"-" if seconds < 0 else b""
    return b"%s%d.%09d" % (sign, *divmod(total, 10**9))


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """Prefix and name as ustar stores them; no name if it can't."""
    if not name.isascii():
        return b"", None
    if len(name) <= _NAME:
        return b"", name
    slash = name.find(b"/", len(name) - _NAME - 1, len(name) - 1)
    return (name[:slash], name[slash + 1 :]) if 0 < slash <= _PREFIX else (b"", None)


def _plain(name: bytes) -> bytes:
    """For readers that don't know PAX: something like the name."""
    return bytes(byte if byte < 128 else ord("_") for byte in name[:_NAME])


def _pax(records: list[tuple[bytes, bytes]], name: bytes) -> bytes:
    data = b"".join(_record(key, value) for key, value in sorted(records))
    stem = b"PaxHeaders.0/" + _plain(name.rstrip(b"/").rpartition(b"/")[2])
    return _block(stem[:_NAME], b"", (0o644, 0, 0), (len(data), 0), b"x", b"", 0) + data + padding(len(data))


def _record(key: bytes, value: bytes) -> bytes:
    """`length key=value` and a newline; the length counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _block(
    name: bytes,
    prefix: bytes,
    mode_uid_gid: tuple[int, int, int],
    size_mtime: tuple[int, int],
    kind: bytes,
    link: bytes,
    rdev: int,
) -> bytes:
    device = b"%07o\0%07o\0" % (os.major(rdev), os.minor(rdev))
    front = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(_NAME, b"\0"), *mode_uid_gid, *size_mtime)
    back = b"%s%sustar\x0000%s%s%s" % (kind, link.ljust(_NAME, b"\0"), _NO_OWNER_NAMES, device, prefix.ljust(167, b"\0"))
    checksum = sum(front) + sum(back) + 8 * 0x20
    return b"%s%06o\0 %s" % (front, checksum, back)
