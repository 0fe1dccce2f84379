"""rpm's database: a row of the table Packages of an SQLite file is the header of a package that is installed.

A header (rpm.org, "RPM v4 header format") is two numbers, of index entries and of bytes of data; entries of four numbers (tag,
type, offset in the data, count); and the data. All numbers have 32 bits, the highest first.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder.bill.package import Package, System
from builder.bill.sqlite import rows
from builder.errors import ImageError

_NAME, _VERSION, _RELEASE, _EPOCH, _ARCHITECTURE = 1000, 1001, 1002, 1003, 1022
_INT32, _STRING = 4, 6
_TYPES = {_NAME: _STRING, _VERSION: _STRING, _RELEASE: _STRING, _EPOCH: _INT32, _ARCHITECTURE: _STRING}
_KEY = "gpg-pubkey"
"""A key whose signatures are trusted is kept like a package."""


def packages(path: str, data: bytes, system: System) -> Iterator[Package]:
    """What is installed. Raises ImageError for a database that can't be read to its end."""
    for row in rows(data, "Packages"):
        header = next((value for value in row if isinstance(value, bytes)), None)
        if header is None:
            raise ImageError("it is damaged: a package has no header")
        package = _package(_fields(header), path, system)
        if package.name != _KEY:
            yield package


def _package(fields: dict[int, str], path: str, system: System) -> Package:
    if not (fields.get(_NAME) and fields.get(_VERSION) and fields.get(_RELEASE)):
        raise ImageError("it is damaged: a package has no name or version")
    qualifiers = {"arch": fields.get(_ARCHITECTURE, ""), "epoch": fields.get(_EPOCH, ""), "distro": system.distro}
    version = f"{fields[_VERSION]}-{fields[_RELEASE]}"
    return Package(kind="rpm", name=fields[_NAME], version=version, found=path, namespace=system.id, qualifiers=qualifiers)


def _fields(header: bytes) -> dict[int, str]:
    """The values of `_TYPES`, by tag."""
    entries, size = _number(header, 0), _number(header, 4)
    begin = 8 + 16 * entries
    if begin + size > len(header):
        raise ImageError("it is damaged: a package's header is longer than its row")
    data = header[begin : begin + size]
    found: dict[int, str] = {}
    for position in range(8, begin, 16):
        tag, kind, offset = (_number(header, position + 4 * index) for index in range(3))
        if tag in _TYPES and kind == _TYPES[tag]:
            found.setdefault(tag, str(_number(data, offset)) if kind == _INT32 else _text(data, offset))
    return found


def _text(data: bytes, offset: int) -> str:
    end = data.find(b"\x00", offset)
    if end < 0:
        raise ImageError("it is damaged: a text has no end")
    return data[offset:end].decode("utf-8", "replace")


def _number(data: bytes, offset: int) -> int:
    found = data[offset : offset + 4]
    if len(found) < 4:
        raise ImageError("it is damaged: a package's header ends too soon")
    return int.from_bytes(found, "big")
