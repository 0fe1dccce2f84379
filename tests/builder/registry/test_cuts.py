"""The connection is cut anywhere: the image that arrives is whole or absent, and no more is sent again than what broke.

MASU_CUTS is the number of places that are tried of each kind, MASU_SEED where they are.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest

from builder.errors import BuilderError, NotFoundError
from builder.image.config import History
from builder.image.image import Image
from builder.store.copy import copy, load
from builder.store.layout import LayoutStore
from tests.builder.registry.support import remote
from tests.support.cutting import Cut, Direction, relaying
from tests.support.registry import RunningRegistry
from tests.support.samples import AMD64, sample_image, sample_layer

CUTS, SEED = int(os.environ.get("MASU_CUTS", "14")), int(os.environ.get("MASU_SEED", "1"))
IMAGE = sample_image("small")
for name, size in (("large", 3 << 20), ("middle", 1 << 20)):
    IMAGE = IMAGE.append(sample_layer(name, size=size), History(created_by=name))
BLOBS = [IMAGE.manifest, IMAGE.config_blob, *(layer.blob for layer in IMAGE.layers)]
LARGEST = max(blob.descriptor.size for blob in BLOBS)
IN_FLIGHT = 1 << 20
"""Bytes: a read of the client that its error drops."""

TALK = 64 << 10
"""Bytes: requests, headers and small answers, said once more."""


def is_whole(image: Image) -> bool:
    """Reading verifies."""
    return [blob.open().read() for blob in (image.config_blob, *(layer.blob for layer in image.layers))] == [
        blob.open().read() for blob in BLOBS[1:]
    ]


def places(total: int, kind: str) -> list[int]:
    """Both ends, the first bytes, and others anywhere; more of them where more happens than bytes: near the beginning."""
    chosen = random.Random(f"{SEED} {kind}")
    return [0, 1, total - 1, *(int(total * chosen.random() ** chosen.choice((1, 6))) for _ in range(CUTS - 3))]


@pytest.fixture(scope="module")
def stored(registry: RunningRegistry) -> RunningRegistry:
    copy(IMAGE, to=remote(registry.host, "cuts/source"), names=["1"])
    return registry


@pytest.fixture
def numbers() -> Iterator[int]:
    return iter(range(1 << 30))


def pull(host: str, directory: Path) -> LayoutStore:
    store = LayoutStore(directory)
    copy(load(remote(host, "cuts/source"), "1", AMD64), to=store, names=["x"])
    return store


def push(host: str, path: str) -> None:
    copy(IMAGE, to=remote(host, path), names=["1"])


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_pull_that_is_cut_once_brings_the_whole_image(
    stored: RunningRegistry, direction: Direction, tmp_path: Path, numbers: Iterator[int]
) -> None:
    with relaying(stored.host) as relay:
        pull(relay.host, tmp_path / "clean")
        clean = dict(relay.passed)
    for after, reset in zip(places(clean[direction], f"pull {direction}"), cycle([True, False]), strict=False):
        with relaying(stored.host, Cut(direction=direction, after=after, reset=reset)) as relay:
            store = pull(relay.host, tmp_path / str(next(numbers)))
            assert is_whole(load(store, "x", AMD64)), after
            assert relay.passed["down"] <= clean["down"] + IN_FLIGHT + TALK, after


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_push_that_is_cut_once_brings_the_whole_image(
    stored: RunningRegistry, direction: Direction, numbers: Iterator[int]
) -> None:
    with relaying(stored.host) as relay:
        push(relay.host, f"cuts/{direction}/clean")
        clean = dict(relay.passed)
    for after, reset in zip(places(clean[direction], f"push {direction}"), cycle([True, False]), strict=False):
        path = f"cuts/{direction}/{next(numbers)}"
        with relaying(stored.host, Cut(direction=direction, after=after, reset=reset)) as relay:
            push(relay.host, path)
            assert relay.passed["up"] <= clean["up"] + LARGEST + TALK, after  # this registry forgets what broke within a request
        assert is_whole(load(remote(stored.host, path), "1", AMD64)), after


@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_is_cut_for_good_leaves_a_whole_image_or_none(
    stored: RunningRegistry, direction: Direction, tmp_path: Path, numbers: Iterator[int]
) -> None:
    for after in places(LARGEST, f"dead {direction}")[: CUTS // 2]:
        path, directory = f"cuts/dead-{direction}/{next(numbers)}", tmp_path / str(next(numbers))
        with relaying(stored.host, Cut(direction=direction, after=after, dead=True)) as relay:
            try:
                push(relay.host, path)
            except BuilderError:
                with pytest.raises(NotFoundError):
                    load(remote(stored.host, path), "1", AMD64)
            else:
                assert is_whole(load(remote(stored.host, path), "1", AMD64))
        with relaying(stored.host, Cut(direction=direction, after=after, dead=True)) as relay:
            try:
                pull(relay.host, directory)
            except BuilderError:
                assert LayoutStore(directory).names() == {}
            else:
                assert is_whole(load(LayoutStore(directory), "x", AMD64))
