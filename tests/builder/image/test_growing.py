from __future__ import annotations

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from builder.image.blob import Blob
from builder.image.growing import GivenUp, Growing
from builder.image.media import OCI_LAYER_GZIP

DATA = random.Random(1).randbytes(1_000_000)
BLOB = Blob.of(DATA, OCI_LAYER_GZIP)


def begun(path: Path) -> tuple[Growing, io.FileIO]:
    file = io.FileIO(path, "w")
    return Growing(path), file


def read(growing: Growing) -> bytes:
    return b"".join(map(bytes, growing))


def test_readers_get_all_of_it_behind_the_writer_who_renames_the_file(tmp_path: Path) -> None:
    growing, file = begun(tmp_path / "x")
    with ThreadPoolExecutor(2) as pool, file:
        readers = [pool.submit(read, growing) for _ in range(2)]
        for end in (1, 2, 300_000, 300_001, len(DATA)):
            file.write(DATA[file.tell() : end])
            growing.grow(end)
        (tmp_path / "x").rename(tmp_path / "y")
        growing.complete(BLOB)
        assert [reader.result() for reader in readers] == [DATA, DATA]
    assert growing.blob() is BLOB
    assert read(growing) == DATA


def test_who_comes_too_soon_waits(tmp_path: Path) -> None:
    growing, file = begun(tmp_path / "x")
    file.close()
    began = threading.Event()

    def wait() -> bool:
        began.set()
        return growing.has(3)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        began.wait()
        growing.grow(2)
        assert not waiting.done()
        growing.grow(3)
        assert waiting.result()


def test_less_than_is_asked_for_is_told_when_that_is_all(tmp_path: Path) -> None:
    growing, file = begun(tmp_path / "x")
    file.close()
    growing.complete(BLOB)
    assert not growing.has(len(DATA) + 1)
    assert growing.has(len(DATA))


@pytest.mark.parametrize("is_whole", [False, True])
def test_what_is_given_up_is_nobodys(tmp_path: Path, is_whole: bool) -> None:
    growing, file = begun(tmp_path / "x")
    with file:
        file.write(DATA)
    growing.grow(10)
    pieces = iter(growing)
    assert bytes(next(pieces)) == DATA[:10]
    if is_whole:
        growing.complete(BLOB)
    growing.give_up()
    with pytest.raises(GivenUp):
        next(pieces)
    with pytest.raises(GivenUp):
        growing.blob()
    with pytest.raises(GivenUp):
        growing.has(1)
