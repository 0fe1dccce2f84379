from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.registry import RunningRegistry, serve_registry


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """An open registry that all tests share: each uses repositories of its own."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running
