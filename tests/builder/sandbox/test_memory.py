"""Memory of processes: the own one will do."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os

import pytest

from builder.sandbox import memory

ME = os.getpid()


def test_bytes_are_read_and_written() -> None:
    buffer = ctypes.create_string_buffer(b"before", 16)
    address = ctypes.addressof(buffer)
    memory.write(ME, address, b"after!")
    assert memory.read(ME, address, 6) == b"after!"


@pytest.mark.parametrize("length", [0, 255, 256, 257, 4095])
def test_a_path_is_read_up_to_its_end(length: int) -> None:
    buffer = ctypes.create_string_buffer(b"x" * length + b"\0rest", length + 5)
    assert memory.read_text(ME, ctypes.addressof(buffer)) == b"x" * length


def test_what_is_longer_than_a_path_is_refused() -> None:
    buffer = ctypes.create_string_buffer(b"x" * 9000)
    with pytest.raises(OSError) as error:
        memory.read_text(ME, ctypes.addressof(buffer))
    assert error.value.errno == errno.ENAMETOOLONG


def test_a_path_at_the_very_end_of_a_page_is_read() -> None:
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        page[-5:] = b"/abc\0"
        buffer = (ctypes.c_char * mmap.PAGESIZE).from_buffer(page)
        address = ctypes.addressof(buffer) + mmap.PAGESIZE - 5
        assert memory.read_text(ME, address) == b"/abc"
        del buffer


@pytest.mark.parametrize("address", [0, 8, 1 << 46, (1 << 64) - 8])
def test_where_there_is_nothing_is_a_bad_address(address: int) -> None:
    for call in (
        lambda: memory.read(ME, address, 4),
        lambda: memory.read_text(ME, address),
        lambda: memory.write(ME, address, b"x"),
    ):
        with pytest.raises(OSError) as error:
            call()
        assert error.value.errno == errno.EFAULT
