from __future__ import annotations

import random

import pytest

from builder.errors import RegistryError
from builder.image.blob import Blob
from builder.image.media import OCI_LAYER_GZIP
from tests.builder.registry.support import FakeClock, remote
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry
from tests.support.resumable import ResumableRegistry, serve_resumable

BLOB = Blob.of(random.Random(1).randbytes(20 << 20), OCI_LAYER_GZIP)
SIZE, DIGEST = BLOB.descriptor.size, str(BLOB.descriptor.digest)
PIECE = 16 << 20


@pytest.mark.parametrize(
    "breaks",
    [[2], [SIZE - 1], [5 << 20], [3, 3 + PIECE], [1, 2], [1 << 20, 2 << 20, 18 << 20]],
    ids=lambda breaks: ",".join(map(str, breaks)),
)
def test_a_broken_upload_goes_on_where_the_registry_says(breaks: list[int]) -> None:
    with serve_resumable(ResumableRegistry(breaks=list(breaks))) as registry:
        remote(registry.host, "a").put(BLOB)
        assert list(registry.blobs) == [DIGEST]
        assert registry.received <= SIZE + len(breaks)  # whether one byte has arrived can't be told from none
        assert registry.breaks == []


@pytest.mark.parametrize("status", [201, 204])
def test_a_piece_may_be_taken_with_another_status(status: int) -> None:
    with serve_resumable(ResumableRegistry(breaks=[2], patched=status)) as registry:
        remote(registry.host, "a").put(BLOB)
        assert list(registry.blobs) == [DIGEST]
        assert registry.received <= SIZE + 1


def test_an_upload_that_always_breaks_ends() -> None:
    clock = FakeClock()
    with serve_resumable(ResumableRegistry(breaks=list(range(1, 100)))) as registry:
        with pytest.raises(RegistryError, match="tried 5 times"):
            remote(registry.host, "a", clock=clock).put(BLOB)
        assert registry.blobs == {}
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]


def test_a_piece_that_breaks_is_sent_again_and_no_other(registry: RunningRegistry) -> None:
    faults = [
        Fault(where="^PUT .*/blobs/uploads/", times=1, status=413),
        Fault(where="^PATCH", after=1, times=1, hang_up=1 << 20),
    ]
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, "upload/piece")
        store.put(BLOB)
        assert store.has(BLOB.descriptor)
        sent = [item.headers["Content-Range"].partition("-")[0] for item in proxy.matching("^PATCH")]
        assert sent == [str(start) for start in (0, PIECE, PIECE)]
        assert len(proxy.matching("^POST")) == 2  # the first upload was refused as a whole


def test_a_registry_that_is_away_for_a_moment_is_asked_again(registry: RunningRegistry) -> None:
    faults = [
        Fault(where="^PUT .*/blobs/uploads/", times=1, status=413),
        Fault(where="^PATCH", after=1, times=1, hang_up=1 << 20),
        Fault(where="^GET .*/blobs/uploads/", times=2, status=503),
    ]
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, "upload/away")
        store.put(BLOB)
        assert store.has(BLOB.descriptor)
        assert len(proxy.matching("^GET .*/blobs/uploads/")) == 3
        assert len(proxy.matching("^PATCH")) == 3


def test_an_upload_whose_last_answer_is_lost_is_not_repeated(registry: RunningRegistry) -> None:
    with serve_faults(registry.host, Fault(where="^PUT .*/blobs/uploads/", times=1, lost=True)) as proxy:
        store = remote(proxy.host, "upload/lost")
        store.put(BLOB)
        assert store.has(BLOB.descriptor)
        assert len(proxy.matching("^PUT")) == 1


def test_a_registry_that_is_out_of_step_is_asked_where_to_go_on(registry: RunningRegistry) -> None:
    faults = [
        Fault(where="^PUT .*/blobs/uploads/", times=1, status=413),
        Fault(where="^PATCH", after=1, times=1, status=416),
    ]
    clock = FakeClock()
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, "upload/step", clock=clock)
        store.put(BLOB)
        assert store.has(BLOB.descriptor)
        assert len(proxy.matching("^GET .*/blobs/uploads/")) == 1
    assert clock.slept == [0, 0]


@pytest.mark.parametrize("said", [{}, {"Range": "0-99999999999"}, {"Range": "x"}])
def test_an_upload_that_the_registry_can_not_tell_of_begins_anew(registry: RunningRegistry, said: dict[str, str]) -> None:
    faults = [
        Fault(where="^PUT .*/blobs/uploads/", times=1, hang_up=1 << 20),
        Fault(where="^GET .*/blobs/uploads/", status=204, headers=said),
    ]
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, f"upload/untold{len(said.get('Range', ''))}")
        store.put(BLOB)
        assert store.has(BLOB.descriptor)
        assert len(proxy.matching("^POST")) == 2
