"""Where masu itself lies, when it lies apart: in its own image everything that it runs with is below one directory."""

from __future__ import annotations

import sys
from pathlib import Path

_SYSTEM = frozenset({Path("/"), Path("/usr"), Path("/usr/local")})
"""On some machines, all of arm64 among them, loaders lie there in `lib` as well."""


def own_directory(executable: str = sys.executable) -> Path | None:
    """The directory with masu's own interpreter, loader and libraries; None where it uses those of the system.

    `executable` is the interpreter, `bin/python…` of that directory, whose loader lies in `lib` beside it.
    """
    directory = Path(executable).resolve().parents[1]
    if directory in _SYSTEM:
        return None
    return directory if any((directory / "lib").glob("ld-*.so*")) else None
