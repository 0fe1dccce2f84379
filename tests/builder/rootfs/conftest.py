from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.rootfs.plain import PlainRootfs

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: only root may chown and mknod")


@pytest.fixture
def rootfs(tmp_path: Path) -> PlainRootfs:
    return PlainRootfs(tmp_path / "rootfs")


@pytest.fixture
def blobs(tmp_path: Path) -> Path:
    path = tmp_path / "blobs"
    path.mkdir()
    return path
