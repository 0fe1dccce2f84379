"""Sending a blob that is still being written."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from builder.errors import RegistryError
from builder.image.blob import Blob
from builder.image.growing import GivenUp, Growing
from builder.image.media import OCI_LAYER_GZIP
from builder.values import replace
from tests.builder.registry.support import FakeClock, remote
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry
from tests.support.resumable import ResumableRegistry, serve_resumable

DATA = random.Random(1).randbytes(9 << 20)
MADE = Blob.of(DATA, OCI_LAYER_GZIP)
HALF = len(DATA) // 2


class Writing:
    """A file of DATA that is written up to its half, until `end`."""

    def __init__(self, path: Path) -> None:
        self._file = io.FileIO(path, "w")
        self.growing = Growing(path)
        self.blob = replace(MADE, open=lambda: path.open("rb"), path=path)
        self.write(HALF)

    def write(self, end: int) -> None:
        while self._file.tell() < end:
            self._file.write(DATA[self._file.tell() : end])
        self.growing.grow(end)

    def end(self) -> None:
        self.write(len(DATA))
        self.growing.complete(self.blob)


@contextmanager
def followed(host: str, path: str, writing: Writing, *, clock: FakeClock | None = None) -> Iterator[None]:
    """While it is sent; it has been when the context ends."""
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(remote(host, path, clock=clock).follow, writing.growing)
        yield
        sent.result(timeout=60)


@pytest.fixture
def writing(tmp_path: Path) -> Writing:
    return Writing(tmp_path / "layer")


def test_a_registry_has_it_when_it_is_written(registry: RunningRegistry, writing: Writing) -> None:
    with serve_faults(registry.host) as proxy:
        with followed(proxy.host, "follow/plain", writing):
            writing.end()
        store = remote(registry.host, "follow/plain")
        assert store.has(writing.blob.descriptor)
        assert store.open(writing.blob.descriptor).read() == DATA
        assert [item.what.split(" ")[0] for item in proxy.matching("/blobs/")] == ["POST", "PATCH", "PUT"]


@pytest.mark.parametrize("breaks", [[1], [HALF], [HALF + 1], [len(DATA) - 1], [1 << 20, 6 << 20]], ids=str)
def test_after_a_break_only_the_rest_is_sent(writing: Writing, breaks: list[int]) -> None:
    with serve_resumable(ResumableRegistry(breaks=list(breaks))) as registry:
        with followed(registry.host, "a", writing, clock=FakeClock()):
            writing.end()
        assert list(registry.blobs) == [str(MADE.descriptor.digest)]
        assert registry.received <= len(DATA) + len(breaks)
        assert registry.breaks == []


def test_an_upload_that_the_registry_has_forgotten_begins_anew(registry: RunningRegistry, writing: Writing) -> None:
    with serve_faults(registry.host, Fault(where="^PATCH", times=1, hang_up=1 << 20)) as proxy:
        with followed(proxy.host, "follow/forgotten", writing, clock=FakeClock()):
            writing.end()
        assert remote(registry.host, "follow/forgotten").has(writing.blob.descriptor)


@pytest.mark.parametrize("status", [411, 413, 501])
def test_a_registry_that_takes_no_stream_says_so(registry: RunningRegistry, writing: Writing, status: int) -> None:
    with (
        serve_faults(registry.host, Fault(where="^PATCH", status=status)) as proxy,
        pytest.raises(RegistryError) as error,
        followed(proxy.host, f"follow/{status}", writing),
    ):
        writing.end()
    assert error.value.status == status
    assert not remote(registry.host, f"follow/{status}").has(writing.blob.descriptor)


def test_what_is_given_up_is_nowhere(registry: RunningRegistry, writing: Writing) -> None:
    with (
        serve_faults(registry.host) as proxy,
        pytest.raises(GivenUp),
        followed(proxy.host, "follow/up", writing),
    ):
        writing.growing.give_up()
    assert not remote(registry.host, "follow/up").has(writing.blob.descriptor)
    assert not proxy.matching("^PUT")
