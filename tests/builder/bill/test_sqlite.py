"""Databases made by SQLite itself, and what is left when bytes of them are changed."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.bill.sqlite import rows
from builder.errors import ImageError


def made(directory: Path, values: list[bytes], *, page_size: int = 4096, journal: str = "wal") -> bytes:
    """A database whose table `t` has these values, some table before it and one after."""
    path = directory / "a.sqlite"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute(f"PRAGMA journal_mode={journal}")
        connection.execute("CREATE TABLE other (name TEXT PRIMARY KEY, x REAL)")
        connection.execute("CREATE TABLE 't' (n INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB NOT NULL)")
        connection.executemany("INSERT INTO t (value) VALUES (?)", [(value,) for value in values])
        connection.execute("CREATE INDEX i ON t (value)")
        connection.commit()
    return path.read_bytes()


SIZES = (0, 1, 400, 460, 480, 500, 940, 4000, 4060, 4061, 4062, 4092, 65535, 300_000)


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_values_of_all_sizes_come_back_in_their_order(page_size: int, tmp_path: Path) -> None:
    values = [bytes([number % 251]) * size for number, size in enumerate(itertools.chain(SIZES, range(1000)))]
    data = made(tmp_path, values, page_size=page_size)
    assert [tuple(row) for row in rows(data, "t")] == [(None, value) for value in values]


def test_numbers_texts_and_nothing_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    numbers = [0, 1, -1, 127, -128, 40000, -(1 << 20), 1 << 30, -(1 << 40), (1 << 63) - 1]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (a, b, c, d)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(number, None, 1.5, "ä") for number in numbers])
        connection.commit()
    assert list(rows(path.read_bytes(), "t")) == [[number, None, None, "ä".encode()] for number in numbers]


@pytest.mark.parametrize(("data", "said"), [(b"", "no SQLite"), (b"SQLite format 3\0" + bytes(84), "damaged")])
def test_what_is_no_database_is_an_error(data: bytes, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        list(rows(data, "t"))


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no table 'Packages'"):
        list(rows(made(tmp_path, []), "Packages"))


def test_a_tree_that_refers_to_itself_is_an_error(tmp_path: Path) -> None:
    """The rightmost child of the table's first page is made that page itself."""
    data = bytearray(made(tmp_path, [b"x" * 200] * 100, page_size=512))
    root = next(number for number in range(1, len(data) // 512) if data[512 * number] == 0x05)
    data[512 * root + 8 : 512 * root + 12] = (root + 1).to_bytes(4, "big")
    with pytest.raises(ImageError, match="damaged at page"):
        list(rows(bytes(data), "t"))


def test_rows_that_share_their_pages_are_not_put_together_without_end(tmp_path: Path) -> None:
    """All cells of a page are made its last one, whose value is long."""
    data = bytearray(made(tmp_path, [b"x" * 100_000, *[b"y"] * 20]))
    leaf = next(number for number in range(1, len(data) // 4096) if data[4096 * number] == 0x0D and data[4096 * number + 4] == 21)
    pointers = 4096 * leaf + 8
    for index in range(21):
        data[pointers + 2 * index : pointers + 2 * index + 2] = data[pointers : pointers + 2]
    with pytest.raises(ImageError, match="more than itself"):
        list(rows(bytes(data), "t"))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("database"), [bytes([n]) * (n * 37) for n in range(40)], page_size=512)


@settings(deadline=None)
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=20), cut=st.integers(0, 1 << 20))
def test_a_damaged_database_is_read_or_is_an_error(changes: list[tuple[int, int]], cut: int, database: bytes) -> None:
    data = bytearray(database)
    for position, byte in changes:
        data[position % len(data)] = byte
    with contextlib.suppress(ImageError):
        list(rows(bytes(data[: cut % (2 * len(data)) or None]), "t"))
