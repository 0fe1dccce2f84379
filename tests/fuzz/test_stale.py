"""What comes from the cache after a random change is what comes without: commands tell all that they see, to the last byte."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.changes import change, random_world
from tests.fuzz.worlds import World
from tests.support.buildkit import archive
from tests.support.masu import Masu

_COUNT = int(os.environ.get("MASU_STALE", "3"))
_SEED = int(os.environ.get("MASU_SEED", "0")) + 5000
_CHANGES = 2


def digest(masu: Masu, world: World, directory: Path, *options: str) -> str:
    """Of the image's manifest."""
    (directory / "images.tar").write_bytes(archive({f"{name}:latest": said for name, said in world.images.items()}, "stale"))
    loaded = masu("load", "--input", directory / "images.tar")
    assert loaded.returncode == 0, loaded.stderr
    world.write(directory / "context")
    (directory / "context/Dockerfile").write_text(world.dockerfile())
    flags = [f"--{name.replace('_', '-')}={value}" for name, values in world.options().items() for value in values]
    told = directory / "metadata"
    done = masu("build", "--reproducible", "-t", "x", "--metadata-file", told, *flags, *options, directory / "context")
    assert done.returncode == 0, done.stderr + world.dockerfile()
    return str(json.loads(told.read_text())["containerimage.digest"])


@pytest.mark.parametrize("seed", range(_SEED, _SEED + _COUNT))
def test_a_cached_build_after_a_change_is_as_one_without_cache(seed: int, tmp_path: Path) -> None:
    rng, masu = Random(seed), Masu(state=tmp_path / "state")
    world = random_world(rng)
    cache = ("--cache", "--cache-copy-layers", "--cache-repo", f"oci:{tmp_path}/cache")
    assert digest(masu, world, tmp_path, *cache) == digest(masu, world, tmp_path, *cache), "all of it from the cache"
    for _ in range(_CHANGES):
        before = world.dockerfile()
        world = copy.deepcopy(world)
        what = change(world, rng)
        assert digest(masu, world, tmp_path, *cache) == digest(masu, world, tmp_path), (
            f"{what}\n{before}\n→\n{world.dockerfile()}"
        )
