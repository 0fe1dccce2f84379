"""Registries that mean harm: a clear error or a harmless image, bounded memory and disk, nothing written outside."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.arena import Arena
from tests.hostile.images import IMAGES
from tests.hostile.registry import serve_evil


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    with serve_evil({name: make() for name, (make, _) in IMAGES.items()}) as host:
        yield host


@pytest.mark.parametrize("name", IMAGES)
def test_a_hostile_image(name: str, arena: Arena, registry: str) -> None:
    (arena.directory / "Evil.Dockerfile").write_text(f"FROM {registry}/{name}:1\nCOPY --from={registry}/{name}:1 / /\n")
    ended = arena.masu("build", "--no-push", "--dockerfile=Evil.Dockerfile", str(arena.directory / "empty"))
    says = IMAGES[name][1]
    assert (ended.code, says) == (1 if says else 0, says if says in ended.stderr else ended.stderr[-2000:])
