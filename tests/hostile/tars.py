"""Archives that mean harm."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable, Mapping

import zstandard

from tests.support.tree import make_tar, member

BLOCK = 512
CANARY = "canary"
"""What must never appear in OUTSIDE."""
OUTSIDE = f"/tmp/masu-outside-{os.getpid()}"

_PIECE = 1 << 25  # bytes


def header(name: bytes, *, kind: bytes = b"0", size: bytes = b"00000000000", mode: bytes = b"0000644") -> bytes:
    """One header block as it is told, with a right checksum."""
    block = bytearray(BLOCK)
    for offset, text in ((0, name[:100]), (100, mode), (108, b"0000000"), (116, b"0000000"), (124, size), (136, b"00000000000")):
        block[offset : offset + len(text)] = text
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def end() -> bytes:
    return bytes(2 * BLOCK)


def pax(records: Mapping[str, bytes], *, kind: bytes = b"x") -> bytes:
    """An extended header with these records."""
    data = b"".join(_record(key.encode() + b"=" + value) for key, value in records.items())
    return header(b"pax", kind=kind, size=b"%011o" % len(data)) + data + bytes(-len(data) % BLOCK)


def _record(text: bytes) -> bytes:
    length = len(text) + 3
    while len(b"%d %s\n" % (length, text)) != length:
        length += 1
    return b"%d %s\n" % (length, text)


def bomb(compress: Callable[[bytes], bytes], gibibytes: int) -> bytes:
    """An archive of one file of zeros, as many compressed pieces one after another."""
    size = gibibytes << 30
    start = header(b"zeros", size=b"\x80\0\0\0" + size.to_bytes(8, "big"))
    return compress(start) + compress(bytes(_PIECE)) * (size // _PIECE)


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(data)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1)


def _file(name: str) -> tuple[object, bytes]:
    return (member(name), CANARY.encode())


def _tar(*members: object) -> bytes:
    return make_tar(*members)  # type: ignore[arg-type]


def _deep_by_links(levels: int) -> bytes:
    """Each link makes the names below it longer than any name can be."""
    long = "/".join(["d"] * 40)
    members = []
    for level in range(levels):
        at = f"l{level - 1}/" if level else ""
        members += [member(f"{at}{long}/", type=b"5"), member(f"l{level}", type=b"2", linkname=f"{at}{long}")]
    return _tar(*members)


# Name → the archive, a part of what is said when it is refused; an empty text: it may be taken, for it does no harm.
TARS: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "name-leads-out": (lambda: _tar(_file("../canary")), "leads out of the root"),
    "name-leads-out-further-on": (lambda: _tar(_file("a/../../../canary")), "leads out of the root"),
    "absolute-name": (lambda: _tar(_file(f"{OUTSIDE}/canary")), ""),
    "link-out-then-file": (lambda: _tar(member("l", type=b"2", linkname=OUTSIDE), _file("l/canary")), ""),
    "link-up-then-file": (lambda: _tar(member("l", type=b"2", linkname="../../../../../.."), _file(f"l{OUTSIDE}/canary")), ""),
    "link-chain-out": (
        lambda: _tar(
            member("a", type=b"2", linkname="b"), member("b", type=b"2", linkname=OUTSIDE), _file("a/canary"), _file("b/canary")
        ),
        "",
    ),
    "link-replaced-by-directory-and-back": (
        lambda: _tar(
            member("d/", type=b"5"), _file("d/x"), member("d", type=b"2", linkname=OUTSIDE), _file("d/canary"), _file("d/x")
        ),
        "",
    ),
    "hard-link-outwards": (lambda: _tar(member("h", type=b"1", linkname="../../../etc/passwd")), "leads out of the root"),
    "hard-link-absolute": (lambda: _tar(member("h", type=b"1", linkname="/etc/passwd")), "can't unpack"),
    "hard-link-through-a-link": (
        lambda: _tar(member("l", type=b"2", linkname="/etc"), member("h", type=b"1", linkname="l/passwd")), "can't unpack"
    ),
    "hard-link-to-itself": (lambda: _tar(_file("h"), member("h", type=b"1", linkname="h")), "hard link to itself"),
    "hard-link-to-a-directory": (lambda: _tar(member("d/", type=b"5"), member("h", type=b"1", linkname="d")), "hard link"),
    "links-in-a-circle": (
        lambda: _tar(member("a", type=b"2", linkname="b"), member("b", type=b"2", linkname="a"), _file("a/x")),
        "symbolic links",
    ),
    "devices": (lambda: _tar(member("sda", type=b"4", devmajor=8), member("mem", type=b"3", devmajor=1, devminor=1)), ""),
    "fifo-as-dockerignore": (lambda: _tar(member(".dockerignore", type=b"6"), _file("x")), "no regular file"),
    "fifo-as-dockerfile": (lambda: _tar(member("Dockerfile", type=b"6")), "no regular file"),
    "dockerfile-is-a-link-out": (lambda: _tar(member("Dockerfile", type=b"2", linkname="/etc/passwd")), "no Dockerfile"),
    "dockerignore-is-a-link-out": (lambda: _tar(member(".dockerignore", type=b"2", linkname="/etc/passwd"), _file("x")), ""),
    "root-is-a-file": (lambda: _tar((member("."), b"x")), "the root can only be a directory"),
    "root-is-a-link": (lambda: _tar(member("./", type=b"2", linkname=OUTSIDE)), "the root can only be a directory"),
    "truncated-header": (lambda: _tar(_file("x"))[:700], "truncated"),
    "truncated-content": (lambda: header(b"x", size=b"00000010000") + b"x" * 100, "truncated"),
    "truncated-gzip": (lambda: gzip.compress(_tar((member("x"), bytes(1 << 20))))[:1000], "can't read the archive"),
    "damaged-gzip": (lambda: b"\x1f\x8b\x08" + b"\xff" * 1000, "damaged"),
    "damaged-zstd": (lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 1000, "damaged"),
    "damaged-xz": (lambda: b"\xfd7zXZ\x00" + b"\xff" * 1000, "damaged"),
    "damaged-bzip2": (lambda: b"BZh9" + b"\xff" * 1000, "damaged"),
    "gzip-of-nothing-for-ever": (lambda: b"".join(gzip.compress(b"") for _ in range(100_000)), "damaged, or no tar archive"),
    "zstd-with-a-huge-window": (lambda: b"\x28\xb5\x2f\xfd" + b"\x00\xa8" + b"\x01\x00\x00", "damaged"),
    "not-an-archive": (lambda: b"GIF89a" + bytes(5000), "no tar archive"),
    "nothing": (lambda: b"", "no tar archive"),
    "only-zeros": (lambda: bytes(10240), "no tar archive"),
    "wrong-checksum": (lambda: _tar(_file("x")) [:1024] + b"\xff" * BLOCK + end(), "damaged header"),
    "negative-size": (lambda: header(b"x", size=b"\xff" * 12) + end(), "negative size"),
    "negative-octal-size": (lambda: header(b"x", size=b"-0000000001") + end(), "negative size"),
    "huge-size": (lambda: header(b"x", size=b"\x80" + b"\xff" * 11) + end(), "invalid size"),
    "size-that-never-comes": (lambda: header(b"x", size=b"\x80\0\0\0\0\0\x0f" + b"\xff" * 5) + end(), "truncated"),
    "size-with-letters": (lambda: header(b"x", size=b"0000000000x") + end(), "invalid size"),
    "pax-size-huge": (lambda: pax({"size": b"9" * 19}) + header(b"x") + end(), "invalid size"),
    "pax-size-negative": (lambda: pax({"size": b"-5"}) + header(b"x") + end(), "invalid size"),
    "pax-huge-record": (lambda: header(b"pax", kind=b"x", size=b"%011o" % (1 << 32)) + end(), "extended header"),
    "pax-record-lies": (
        lambda: header(b"pax", kind=b"x", size=b"%011o" % 20) + b"99999 path=x\n".ljust(BLOCK, b"\0"), "extended header"
    ),
    "pax-headers-without-end": (
        lambda: b"".join(pax({f"k{number}": bytes(900_000)}) for number in range(3)) + header(b"x") + end(), "extended header"
    ),
    "pax-global-headers-without-end": (
        lambda: b"".join(pax({f"k{number}": bytes(900_000)}, kind=b"g") + header(b"x") for number in range(3)) + end(),
        "extended header",
    ),
    "pax-nul-in-name": (lambda: pax({"path": b"a\0b"}) + header(b"x") + end(), "NUL"),
    "gnu-long-name-of-megabytes": (
        lambda: header(b"L", kind=b"L", size=b"%011o" % (8 << 20)) + bytes(8 << 20) + header(b"x") + end(), "extended header"
    ),
    "name-of-a-million-directories": (lambda: pax({"path": b"a/" * 500_000 + b"x"}) + header(b"x") + end(), "name"),
    "long-name": (lambda: pax({"path": b"a" * 4000}) + header(b"x") + end(), "too long"),
    "long-link": (lambda: pax({"linkpath": b"a" * 900_000}) + header(b"x", kind=b"2") + end(), "too long"),
    "rather-deep-directories": (lambda: pax({"path": b"d/" * 200 + b"x"}) + header(b"x") + end(), ""),
    "deep-directories": (lambda: pax({"path": b"d/" * 2000 + b"x"}) + header(b"x") + end(), "directories deep"),
    "deeper-by-links": (lambda: _deep_by_links(100), "directories deep"),
    "gnu-sparse": (lambda: header(b"x", kind=b"S", size=b"00000001000") + bytes(BLOCK) + end(), "sparse"),
    "pax-sparse": (lambda: pax({"GNU.sparse.realsize": b"1" + b"0" * 15}) + header(b"x") + end(), "sparse"),
    "unknown-type": (lambda: header(b"x", kind=b"Z") + end(), "type 'Z'"),
    "names-twice": (lambda: _tar(*[_file("x") for _ in range(1000)], member("x/", type=b"5"), _file("x/y"), _file("x")), ""),
    "names-that-are-not-utf-8": (lambda: header(b"\xff\xfe\x80") + header(b"d\xc3\x28/") + end(), ""),
    "time-far-away": (lambda: pax({"mtime": b"9" * 60}) + header(b"x") + end(), ""),
    "time-that-is-none": (lambda: pax({"mtime": b"nan"}) + header(b"x") + end(), "invalid mtime"),
    "owner-too-large": (lambda: pax({"uid": b"4294967296"}) + header(b"x") + end(), "invalid uid"),
    "attribute-too-large": (lambda: pax({"SCHILY.xattr.user.x": bytes(500_000)}) + header(b"x") + end(), "can't unpack"),
    "many-entries": (lambda: b"".join(header(b"%d" % number) for number in range(5_000)) + end(), ""),
    "zeros-after-the-end": (lambda: gzip.compress(_tar(_file("x")) + bytes(80 << 20), 1), "after its end"),
    "gzip-bomb": (lambda: bomb(_gzip, 4), "no space left"),
    "zstd-bomb": (lambda: bomb(_zstd, 1000), "no space left"),
    "xz-bomb": (lambda: bomb(_xz, 4), "no space left"),
}  # fmt: skip
