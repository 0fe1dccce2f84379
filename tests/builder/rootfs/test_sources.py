from __future__ import annotations

import stat
from pathlib import Path

import pytest

from builder.rootfs.sources import SourceTree

FILE, DIRECTORY, LINK = stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK


@pytest.mark.parametrize(
    ("mode", "is_private", "expected"),
    [
        (FILE | 0o666, False, FILE | 0o644), (FILE | 0o777, False, FILE | 0o755), (DIRECTORY | 0o777, False, DIRECTORY | 0o755),
        (FILE | 0o664, False, FILE | 0o644), (FILE | 0o600, False, FILE | 0o600), (FILE | 0o400, False, FILE | 0o400),
        (DIRECTORY | 0o700, False, DIRECTORY | 0o700), (FILE | 0o600, True, FILE | 0o644), (FILE | 0o700, True, FILE | 0o755),
        (LINK | 0o777, False, LINK | 0o777),
    ],
)  # fmt: skip
def test_with_gits_modes_a_checkouts_umask_does_not_show_and_closed_files_stay_closed(
    mode: int, is_private: bool, expected: int
) -> None:
    tree = SourceTree(path=Path(), git_modes=True, is_private=is_private)
    assert tree.context_mode(mode) == expected
    assert SourceTree(path=Path()).context_mode(mode) == mode
