from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import BuilderError
from builder.options import RegistryFlags, WarmerOptions
from builder.warmer import warm


def test_a_dockerfile_without_images_is_not_called_missing(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch AS one\nFROM one\n")
    with pytest.raises(BuilderError, match="names no image of a registry"):
        warm(WarmerOptions(dockerfile=str(dockerfile), cache_dir=str(tmp_path / "cache")), RegistryFlags(), {})
