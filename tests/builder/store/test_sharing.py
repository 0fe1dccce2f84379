"""Many processes with one store, killed at any moment: every name must lead to whole images, and nobody may lose what he uses."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import StoreError
from builder.store.copy import copy, load
from builder.store.garbage import abandoned, delete, forget, unreferenced
from builder.store.layout import LayoutStore, opened
from tests.support.fsck import check_layout
from tests.support.samples import AMD64, sample_image

NAMES = ("one", "two", "three")
LAYERS = ("a", "b", "c", "d")
ROUNDS = 30
Work = Callable[[Path, random.Random], None]


def write(path: Path, rng: random.Random) -> None:
    image = sample_image(*rng.sample(LAYERS, 3), size=rng.choice((100, 30_000)))
    with opened(path) as store:
        copy(image, to=store, names=[rng.choice(NAMES)])


def read(path: Path, rng: random.Random) -> None:
    """What it has found it can read to the end, whoever deletes meanwhile."""
    with opened(path) as store:
        try:
            image = load(store, rng.choice(NAMES), AMD64)
        except StoreError as error:
            if "has no image" not in error.message:
                raise
            return
        for layer in image.layers:
            with layer.blob.open() as stream:
                stream.read()


def rename(path: Path, rng: random.Random) -> None:
    with opened(path) as store:
        try:
            image = load(store, rng.choice(NAMES), AMD64)
        except StoreError as error:
            if "has no image" not in error.message:
                raise
            return
        store.tag(rng.choice(NAMES), image.manifest)


def remove(path: Path, rng: random.Random) -> None:
    if path.exists():
        forget(LayoutStore(path), [rng.choice(NAMES)])


def prune(path: Path, rng: random.Random) -> None:
    store = LayoutStore(path)
    delete(store, {item.digest for item in unreferenced(store)})
    for part in abandoned(store):
        part.unlink(missing_ok=True)


def forever(work: Work, path: Path, seed: int, complaints: Path) -> None:
    rng = random.Random(seed)
    try:
        while True:
            work(path, rng)
    except BaseException:
        (complaints / f"{work.__name__}-{os.getpid()}").write_text(traceback.format_exc())
        raise


def test_killed_processes_leave_a_whole_store(tmp_path: Path) -> None:
    store, complaints = tmp_path / "store", tmp_path / "complaints"
    complaints.mkdir()
    LayoutStore(store).tag("one", sample_image("a").manifest)
    forget(LayoutStore(store), ["one"])
    context, rng, named = multiprocessing.get_context("fork"), random.Random(5), 0
    for number in range(ROUNDS):
        workers = [
            context.Process(target=forever, args=(work, store, number * 10 + index, complaints))
            for index, work in enumerate((write, write, read, rename, remove, prune))
        ]
        for worker in workers:
            worker.start()
        time.sleep(rng.uniform(0.02, 0.2))  # the moment of the kill; any will do
        for worker in workers:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)
        for worker in workers:
            worker.join()
        named += check_layout(store)
        assert [path.read_text() for path in complaints.iterdir()] == []
    assert named > ROUNDS, "hardly anything was written"
    prune(store, rng)
    assert list(store.glob(".*")) == []


def test_a_deleter_waits_for_nobody_who_uses_the_store_for_long(tmp_path: Path) -> None:
    """What is used stays, what isn't goes, at once."""
    plain, used, rest = LayoutStore(tmp_path), sample_image("used"), sample_image("rest")
    copy(used, to=plain, names=["used"])
    copy(rest, to=plain, names=[])
    with opened(tmp_path) as store:
        load(store, "used", AMD64)
        signal.alarm(10)  # a deadlock must not hold up the tests
        try:
            forget(plain, ["used"])
            prune(tmp_path, random.Random())
        finally:
            signal.alarm(0)
        assert plain.has(used.layers[0].blob.descriptor)
        assert not plain.has(rest.layers[0].blob.descriptor)


@pytest.mark.parametrize("work", [read, rename, prune])
def test_a_store_that_is_not_there_is_an_empty_one(tmp_path: Path, work: Work) -> None:
    work(tmp_path / "nowhere", random.Random())
    assert not (tmp_path / "nowhere").exists()
