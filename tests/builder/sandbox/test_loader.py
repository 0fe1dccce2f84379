"""PRoot's loader is found inside PRoot."""

from __future__ import annotations

import struct
from pathlib import Path

from builder.sandbox.loader import write_loader


def elf(kind: int, *, entry: int = 0, size: int = 200) -> bytes:
    """A 64-bit file with one empty section header at its end."""
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", kind, 62, 1, entry, 0, size, 0, 64, 56, 0, 64, 1, 0
    )
    return header.ljust(size + 64, b"\0")


def test_the_executable_inside_is_written_with_its_address(tmp_path: Path) -> None:
    loader = elf(2, entry=0x6000_0000_0010)
    (tmp_path / "proot").write_bytes(elf(3) + b"\x7fELF" + loader + b"\x7fELF\x01 32 bits")
    assert write_loader(tmp_path / "proot", tmp_path / "loader") == 0x6000_0000_0010
    assert (tmp_path / "loader").read_bytes() == loader
    assert (tmp_path / "loader").stat().st_mode & 0o777 == 0o755


def test_a_program_without_one_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "proot").write_bytes(elf(3))
    assert write_loader(tmp_path / "proot", tmp_path / "loader") is None
    assert not (tmp_path / "loader").exists()
