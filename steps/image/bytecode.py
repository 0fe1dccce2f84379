"""Byte-compiles the Python of the step image, inside it and once for all: a container may not be able to write the result.

The interpreter trusts it unseen (PEP 552, unchecked): no file is looked at twice at a start.
"""

from __future__ import annotations

import sys
from pathlib import Path
from py_compile import PycInvalidationMode, compile


def compile_all(directory: Path) -> None:
    """Everything below the directory that isn't compiled yet."""
    for source in sorted(directory.rglob("*.py")):
        if not (source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc").exists():
            compile(str(source), doraise=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    compile_all(Path(sys.argv[1]))
