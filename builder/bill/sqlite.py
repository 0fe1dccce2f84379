"""The rows of a table of an SQLite database, read from its bytes (sqlite.org/fileformat2.html), which may be anybody's.

The step image has no SQLite, and need not have it for this. Pages are looked at once each, and no more is put together than there
are bytes, so that a database that refers to itself ends in an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.errors import ImageError

Value = int | bytes | None
"""Text is UTF-8; a floating point number is None."""

_MAGIC = b"SQLite format 3\x00"
_UTF_8 = 1
_LEAF, _INTERIOR = 0x0D, 0x05
"""Kinds of pages of a table's tree."""
_HEADERS = {_LEAF: 8, _INTERIOR: 12}
_SCHEMA = 1
"""The page where the table of tables begins: their type, name, the name again, first page, SQL."""
_WIDTHS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""Bytes of a value by its serial type; from 12 on it is a blob or a text. 7 is a float, 8 and 9 are the numbers 0 and 1."""


def rows(data: bytes, table: str) -> Iterator[Sequence[Value]]:
    """All of them, in the order of their row identifiers, without what is in a `-wal` file beside. Raises ImageError."""
    database = _Database(data)
    name = table.encode()
    for row in database.rows(_SCHEMA):
        if tuple(row[:2]) == (b"table", name) and len(row) > 3 and isinstance(row[3], int):
            yield from database.rows(row[3])
            return
    raise ImageError(f"it has no table {table!r}")


class _Database:
    def __init__(self, data: bytes) -> None:
        if not data.startswith(_MAGIC) or len(data) < 100:
            raise ImageError("it is no SQLite database")
        size = _number(data, 16, 2)
        self._data, self._page_size = data, 65536 if size == 1 else size
        self._usable = self._page_size - data[20]
        if self._page_size < 512 or self._usable < 480 or _number(data, 56, 4) not in (0, _UTF_8):
            raise ImageError("it is damaged, or not of UTF-8")
        self._left = len(data)
        self._seen: set[int] = set()

    def rows(self, root: int) -> Iterator[list[Value]]:
        """Those of the tree that begins at this page."""
        waiting = [root]
        while waiting:
            number = waiting.pop()
            page, header = self._page(number), 100 if number == _SCHEMA else 0
            if number in self._seen or page[header] not in _HEADERS:
                raise ImageError(f"it is damaged at page {number}")
            self._seen.add(number)
            cells = self._cells(page, header)
            if page[header] == _LEAF:
                for cell in cells:
                    yield _record(self._payload(page, cell))
            else:
                following = [_number(page, cell, 4) for cell in cells] + [_number(page, header + 8, 4)]
                waiting += reversed(following)

    def _page(self, number: int) -> bytes:
        begin = (number - 1) * self._page_size
        if not 0 <= begin <= len(self._data) - self._page_size:
            raise ImageError(f"it lacks page {number}")
        return self._data[begin : begin + self._page_size]

    def _cells(self, page: bytes, header: int) -> list[int]:
        """Where in the page they begin."""
        begin = header + _HEADERS[page[header]]
        return [_number(page, begin + 2 * index, 2) for index in range(_number(page, header + 3, 2))]

    def _payload(self, page: bytes, cell: int) -> bytes:
        """What a leaf's cell has, part of it maybe on pages of its own, each of which begins with the next one's number."""
        size, position = _varint(page, cell)
        _, position = _varint(page, position)  # the row's identifier
        self._left -= size
        if self._left < 0:
            raise ImageError("it is damaged: its rows have more than itself")
        local = self._local(size)
        parts, missing = [_slice(page, position, local)], size - local
        following = _number(page, position + local, 4) if missing else 0
        while missing:
            page = self._page(following)
            parts.append(_slice(page, 4, min(missing, self._usable - 4)))
            missing, following = missing - len(parts[-1]), _number(page, 0, 4)
        return b"".join(parts)

    def _local(self, size: int) -> int:
        """How much of a payload is in the cell itself (fileformat2, section 1.6)."""
        if size <= (most := self._usable - 35):
            return size
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self._usable - 4)
        return local if local <= most else least


def _record(payload: bytes) -> list[Value]:
    """The values of a row: their serial types, then themselves."""
    end, position = _varint(payload, 0)
    values: list[Value] = []
    begin = end
    while position < end:
        kind, position = _varint(payload, position)
        width = (kind - 12) // 2 if kind >= 12 else _WIDTHS[kind] if kind < 10 else -1
        if width < 0:
            raise ImageError("it is damaged: it has a value of no type")
        values.append(_value(kind, _slice(payload, begin, width)))
        begin += width
    return values


def _value(kind: int, data: bytes) -> Value:
    if kind >= 12:
        return data
    if kind in (0, 7):
        return None
    return kind - 8 if kind >= 8 else int.from_bytes(data, "big", signed=True)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for count, byte in enumerate(data[position : position + 9], 1):
        if count == 9:
            return value << 8 | byte, position + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position + count
    raise ImageError("it is damaged: a number has no end")


def _number(data: bytes, position: int, width: int) -> int:
    return int.from_bytes(_slice(data, position, width), "big")


def _slice(data: bytes, begin: int, width: int) -> bytes:
    found = data[begin : begin + width]
    if len(found) < width:
        raise ImageError("it is damaged: something ends too soon")
    return found
