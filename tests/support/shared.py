"""What lies beside the repository: references, corpora and tools that tests use when they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
_SHARED = REPOSITORY.parent / "shared"


def shared(path: str) -> Path:
    """The file or directory `path` of `../shared`; skips the test that asks for it when it isn't there."""
    found = _SHARED / path
    if not found.exists():
        pytest.skip(f"../shared/{path} is missing beside the repository")
    return found
