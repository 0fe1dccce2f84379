"""The floor's last step as a program: compress every file of a directory and hash both sides, on two cores."""

from __future__ import annotations

import hashlib
import sys
import threading
from pathlib import Path

from isal import isal_zlib

_CHUNK = 1 << 20


def compress(directory: Path) -> None:
    """ISA-L level 1, as masu's layers; hashing the plain side has a thread of its own."""
    compressor = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    plain, packed = hashlib.sha256(), hashlib.sha256()
    for path in sorted(path for path in directory.rglob("*") if path.is_file()):
        data = path.read_bytes()
        other = threading.Thread(target=plain.update, args=(data,))
        other.start()
        for start in range(0, len(data), _CHUNK):
            packed.update(compressor.compress(data[start : start + _CHUNK]))
        other.join()
    packed.update(compressor.flush())


if __name__ == "__main__":
    compress(Path(sys.argv[1]))
