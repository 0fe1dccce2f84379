from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from builder.errors import AuthError, ImageError, NotFoundError, RegistryError
from builder.image.reference import Repository
from builder.registry.repository import RemoteRepository
from builder.registry.transport import RegistryOptions, Transport
from builder.store.copy import copy, load
from tests.builder.registry.support import FakeClock, remote, user
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry, free_port
from tests.support.samples import AMD64, sample_image, sample_layer

LAYER = sample_layer("layer", size=5 << 20)
SIZE = LAYER.blob.descriptor.size
BLOB = f"GET .*/blobs/{LAYER.blob.descriptor.digest}"


@pytest.fixture
def stored(registry: RunningRegistry) -> RunningRegistry:
    remote(registry.host, "faults").put(LAYER.blob)
    return registry


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(registry: RunningRegistry, status: int) -> None:
    clock = FakeClock()
    with serve_faults(registry.host, Fault(where="/manifests/", times=2, status=status)) as proxy:
        copy(sample_image("again"), to=remote(proxy.host, "retried", clock=clock), names=["1"])
        load(remote(proxy.host, "retried"), "1", AMD64)
    assert clock.slept == [1.0, 2.0]


@pytest.mark.parametrize(("asked", "waited"), [("7", 7.0), ("100000", 90.0), ("nonsense", 1.0)])
def test_retry_after_is_honoured_within_bounds(registry: RunningRegistry, asked: str, waited: float) -> None:
    clock = FakeClock()
    fault = Fault(where="/manifests/", times=1, status=429, headers={"Retry-After": asked})
    with serve_faults(registry.host, fault) as proxy, pytest.raises(NotFoundError):
        remote(proxy.host, "after", clock=clock).resolve("1")
    assert clock.slept == [waited]


def test_it_gives_up_in_the_end(registry: RunningRegistry) -> None:
    clock = FakeClock()
    body = json.dumps({"errors": [{"code": "TOOMANYREQUESTS", "message": "slow down"}]}).encode()
    with (
        serve_faults(registry.host, Fault(where="/manifests/", status=429, body=body)) as proxy,
        pytest.raises(RegistryError, match=r"429 TOOMANYREQUESTS: slow down \(tried 5 times\)") as error,
    ):
        remote(proxy.host, "up", clock=clock).resolve("1")
    assert clock.slept == [1.0, 2.0, 4.0, 8.0]
    assert "limits the rate" in error.value.hint


def test_a_registry_that_is_down_is_named() -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(RegistryError, match=rf"GET http://{host}/v2/: .*Connection refused \(tried 5 times\)") as error:
        remote(host, "down").resolve("1")
    assert error.value.status == 0


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (403, "DENIED", AuthError, "give push permission on that repository"),
        (404, "NAME_UNKNOWN", NotFoundError, "create it first"),
        (413, "", RegistryError, "client_max_body_size"),
        (422, "NAME_INVALID", RegistryError, ""),
    ],
)
def test_a_refused_upload_says_why(
    registry: RunningRegistry, status: int, code: str, kind: type[RegistryError], hint: str
) -> None:
    body = json.dumps({"errors": [{"code": code, "message": "because"}]}).encode() if code else b"<html>no</html>"
    with (
        serve_faults(registry.host, Fault(where="^(POST|PUT|PATCH) .*/blobs/uploads/", status=status, body=body)) as proxy,
        pytest.raises(kind) as error,
    ):
        remote(proxy.host, "refused", credentials=user(proxy.host, "ann", "x")).put(LAYER.blob)
    assert error.value.status == status
    assert f"{status} {code}: because" in error.value.message if code else error.value.message.endswith(": 413")
    assert hint in error.value.hint


def test_a_broken_download_goes_on_where_it_broke(stored: RunningRegistry) -> None:
    clock = FakeClock()
    with serve_faults(stored.host, Fault(where=BLOB, times=1, reset=3 << 20)) as proxy:
        with remote(proxy.host, "faults", clock=clock).open(LAYER.blob.descriptor) as stream:
            assert stream.read() == LAYER.blob.open().read()
        first, second = proxy.matching(BLOB)
        assert "Range" not in first.headers
        begin = int(second.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        assert 0 < begin <= 3 << 20
        assert second.status == 206
    assert clock.slept == [1.0]


def test_a_slow_download_is_waited_for(stored: RunningRegistry) -> None:
    clock = FakeClock()
    with serve_faults(stored.host, Fault(where=BLOB, slow=0.01)) as proxy:
        with remote(proxy.host, "faults", clock=clock).open(LAYER.blob.descriptor) as stream:
            assert stream.read() == LAYER.blob.open().read()
        assert len(proxy.matching(BLOB)) == 1
    assert clock.slept == []


def test_a_server_without_ranges_is_read_from_the_beginning(stored: RunningRegistry) -> None:
    body = LAYER.blob.open().read()
    faults = [Fault(where=BLOB, times=1, reset=3 << 20), Fault(where=BLOB, status=200, body=body)]
    with serve_faults(stored.host, *faults) as proxy, remote(proxy.host, "faults").open(LAYER.blob.descriptor) as stream:
        assert stream.read() == body


def test_another_range_than_asked_for_is_refused(stored: RunningRegistry) -> None:
    faults = [
        Fault(where=BLOB, times=1, reset=3 << 20),
        Fault(where=BLOB, status=206, headers={"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}, body=b"x"),
    ]
    with (
        serve_faults(stored.host, *faults) as proxy,
        remote(proxy.host, "faults").open(LAYER.blob.descriptor) as stream,
        pytest.raises(RegistryError, match="another range"),
    ):
        stream.read()


def test_a_download_that_always_breaks_ends(stored: RunningRegistry) -> None:
    with (
        serve_faults(stored.host, Fault(where=BLOB, reset=0)) as proxy,
        remote(proxy.host, "faults").open(LAYER.blob.descriptor) as stream,
        pytest.raises(RegistryError, match="tried 5 times"),
    ):
        stream.read()


def test_a_blob_that_is_shorter_than_announced_is_not_waited_for(stored: RunningRegistry) -> None:
    clock = FakeClock()
    with (
        serve_faults(stored.host, Fault(where=BLOB, truncated=1 << 20)) as proxy,
        pytest.raises(ImageError, match=f"the registry has {1 << 20} bytes of blob .*, not {SIZE}"),
    ):
        remote(proxy.host, "faults", clock=clock).open(LAYER.blob.descriptor)
    assert clock.slept == []


def test_a_blob_whose_rest_is_missing_is_found_out(stored: RunningRegistry) -> None:
    faults = [Fault(where=BLOB, times=1, reset=1 << 20), Fault(where=BLOB, status=416)]
    with (
        serve_faults(stored.host, *faults) as proxy,
        remote(proxy.host, "faults").open(LAYER.blob.descriptor) as stream,
        pytest.raises(ImageError, match=r"ends \d+ bytes before"),
    ):
        stream.read()


def test_a_corrupt_blob_is_found_out(stored: RunningRegistry) -> None:
    with (
        serve_faults(stored.host, Fault(where=BLOB, corrupt=1 << 20)) as proxy,
        remote(proxy.host, "faults").open(LAYER.blob.descriptor) as stream,
        pytest.raises(ImageError, match="has the digest sha256:"),
    ):
        stream.read()


def test_a_blob_that_is_longer_than_announced_is_found_out(stored: RunningRegistry) -> None:
    shorter = replace(LAYER.blob.descriptor, size=SIZE - 1)
    with pytest.raises(ImageError, match="longer"), remote(stored.host, "faults").open(shorter) as stream:
        stream.read()


@pytest.mark.parametrize("status", [500, 503])
def test_a_failed_upload_begins_anew(registry: RunningRegistry, status: int) -> None:
    with serve_faults(registry.host, Fault(where="^PUT .*/blobs/uploads/", times=1, status=status)) as proxy:
        store = remote(proxy.host, f"anew-{status}")
        store.put(LAYER.blob)
        assert store.has(LAYER.blob.descriptor)
        assert len(proxy.matching("^POST")) == 2


def test_an_upload_whose_session_is_lost_begins_anew(registry: RunningRegistry) -> None:
    body = json.dumps({"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "lost"}]}).encode()
    with serve_faults(registry.host, Fault(where="^PUT .*/blobs/uploads/", times=1, status=404, body=body)) as proxy:
        store = remote(proxy.host, "lost")
        store.put(LAYER.blob)
        assert store.has(LAYER.blob.descriptor)
        assert not proxy.matching("^PATCH")


def test_a_registry_without_head_gets_everything(registry: RunningRegistry) -> None:
    faults = [Fault(where="^HEAD", status=405), Fault(where="^PUT .*/blobs/uploads/", times=1, hang_up=1 << 10)]
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, "headless")
        store.put(LAYER.blob)
        assert store.open(LAYER.blob.descriptor).read() == LAYER.blob.open().read()


def test_an_upload_that_is_cut_off_begins_anew(registry: RunningRegistry) -> None:
    with serve_faults(registry.host, Fault(where="^PUT .*/blobs/uploads/", times=1, hang_up=1 << 20)) as proxy:
        store = remote(proxy.host, "cut")
        store.put(LAYER.blob)
        assert store.has(LAYER.blob.descriptor)


@pytest.mark.parametrize("status", [405, 413])
def test_a_registry_that_refuses_the_whole_gets_pieces(registry: RunningRegistry, status: int) -> None:
    layer = sample_layer("pieces", size=20 << 20)
    size = layer.blob.descriptor.size
    with serve_faults(registry.host, Fault(where="^PUT .*/blobs/uploads/", times=1, status=status)) as proxy:
        store = remote(proxy.host, f"pieces-{status}")
        store.put(layer.blob)
        assert store.has(layer.blob.descriptor)
        ranges = [item.headers["Content-Range"] for item in proxy.matching("^PATCH")]
        assert ranges == [f"0-{(16 << 20) - 1}", f"{16 << 20}-{size - 1}"]


def test_pieces_are_never_smaller_than_the_registry_wants(registry: RunningRegistry) -> None:
    faults = [
        Fault(where="^PUT .*/blobs/uploads/", times=1, status=413),
        Fault(where="^PATCH", times=1, status=413),
        Fault(where="^POST", headers={"OCI-Chunk-Min-Length": str(3 << 20)}),
    ]
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, "least")
        store.put(LAYER.blob)
        assert store.has(LAYER.blob.descriptor)
        sent = [item.headers["Content-Range"] for item in proxy.matching("^PATCH")]
        assert sent == [f"0-{SIZE - 1}", f"0-{(3 << 20) - 1}", f"{3 << 20}-{SIZE - 1}"]


def test_a_registry_that_does_not_answer_holds_up_no_other(registry: RunningRegistry) -> None:
    transport = Transport(RegistryOptions(), retry=FakeClock().retry())
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as pool:
        hosts = [f"127.0.0.1:{silent.getsockname()[1]}", registry.host]
        stuck, answered = (
            pool.submit(RemoteRepository(Repository(host=host, path="a"), transport=transport).resolve, "1") for host in hosts
        )
        with pytest.raises(NotFoundError):
            answered.result(timeout=20)
        assert not stuck.done()
        silent.close()
        with pytest.raises(RegistryError):
            stuck.result(timeout=20)


def test_plain_http_needs_permission_but_for_near_hosts() -> None:
    options = RegistryOptions(insecure=True, insecure_registries=frozenset({"reg.example:5000"}))
    assert options.allows_http("reg.example:5000", push=False)
    assert options.allows_http("other.example", push=True)
    assert not options.allows_http("other.example", push=False)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True), ("localhost:5000", True), ("127.0.0.1:5000", True), ("127.9.9.9", True), ("[::1]:5000", True),
        ("registry.local", True), ("10.1.2.3:5000", True), ("172.16.0.1", True), ("172.32.0.1", False), ("192.168.1.1", True),
        ("8.8.8.8", False), ("localhost.evil.example", False), ("registry.local.example", False), ("10.evil.example", False),
        ("127.0.0.1.evil.example:80", False), ("ghcr.io", False), ("[fe80::1]", False),
    ],
)  # fmt: skip
def test_only_near_hosts_are_tried_with_plain_http(host: str, near: bool) -> None:
    assert RegistryOptions().allows_http(host, push=True) is near
