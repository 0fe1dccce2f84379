"""PRoot's loader, a small program that it has inside itself and would write to /tmp, which may be read-only."""

from __future__ import annotations

import struct
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1 (elf(5))
_EXECUTABLE = 2
_HEADER = 64  # bytes


def write_loader(proot: Path, to: Path) -> int | None:
    """Write the loader inside the program `proot` to the new file `to`, for PROOT_LOADER.

    Returns the address where it runs, which no other program uses; None if there is no loader.
    """
    data = proot.read_bytes()
    start = 0
    while (start := data.find(_MAGIC, start + 1)) > 0:
        header = data[start : start + _HEADER]
        if len(header) == _HEADER and struct.unpack_from("<H", header, 16)[0] == _EXECUTABLE:
            (sections,) = struct.unpack_from("<Q", header, 40)
            size, count = struct.unpack_from("<HH", header, 58)
            to.write_bytes(data[start : start + sections + size * count])  # they come last in the file
            to.chmod(0o755)
            (entry,) = struct.unpack_from("<Q", header, 24)
            return int(entry)
    return None
