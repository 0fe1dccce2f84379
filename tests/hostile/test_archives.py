"""Image archives that mean harm: a clear error, bounded memory and disk, and nothing of them in the store."""

from __future__ import annotations

import os
import shutil

import pytest

from builder.store.layout import LayoutStore
from tests.hostile.archives import ARCHIVES
from tests.hostile.arena import Arena


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_hostile_image_archive(name: str, arena: Arena) -> None:
    make, says = ARCHIVES[name]
    if "bomb" in name and not os.path.ismount(arena.state):
        pytest.skip("a bomb needs a small disk, and this machine lets us mount none")
    path = arena.directory / "image.tar"
    path.write_bytes(make())
    ended = arena.masu("load", stdin=path)
    assert (ended.code, says) == (1 if says else 0, says if says in ended.stderr else ended.stderr[-2000:])
    names = LayoutStore(arena.state / "store").names()
    assert bool(names) is not bool(says)
    shutil.rmtree(arena.state / "store", ignore_errors=True)
