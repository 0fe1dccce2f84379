from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.elsewhere import Elsewhere, serve_elsewhere


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    directory: Path = tmp_path_factory.mktemp("elsewhere")
    with serve_elsewhere(directory) as served:
        yield served
