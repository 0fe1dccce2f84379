"""Build contexts that mean harm: a clear error or a harmless image, bounded memory and disk, nothing written outside."""

from __future__ import annotations

import os

import pytest

from tests.hostile.arena import Arena
from tests.hostile.tars import TARS


@pytest.mark.parametrize("name", TARS)
def test_a_hostile_archive(name: str, arena: Arena) -> None:
    make, says = TARS[name]
    if "bomb" in name and not os.path.ismount(arena.state):
        pytest.skip("a bomb needs a small disk, and this machine lets us mount none")
    (arena.directory / "context.tar").write_bytes(make())
    inside = [] if "dockerfile" in name else ["--dockerfile=Dockerfile"]
    ended = arena.masu("build", "--no-push", f"--context=tar://{arena.directory}/context.tar", *inside)
    assert (ended.code, says) == (1 if says else 0, says if says in ended.stderr else ended.stderr[-2000:])
