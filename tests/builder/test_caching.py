from __future__ import annotations

from pathlib import Path

import pytest

from builder.caching import warm_cache
from builder.options import BuildOptions


@pytest.mark.parametrize(("name", "warnings"), [("missing", 0), ("directory", 0), ("file", 1)])
def test_a_cache_directory_that_is_none_has_no_images_and_fails_no_build(
    name: str, warnings: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    warm = warm_cache(BuildOptions(cache=True, cache_dir=f"{tmp_path}/{name}"))
    assert (warm is None, len(caplog.records)) == (bool(warnings), warnings)
