from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import ImageError, NotFoundError, RegistryError
from builder.image.blob import Blob
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.image import Image
from builder.image.media import OCI_LAYER_GZIP, OCI_MANIFEST, Format, MediaType
from builder.image.verify import SMALL_LIMIT
from builder.registry.transport import RegistryOptions
from builder.store import Store
from builder.store.copy import copy, load
from tests.builder.registry.support import FakeClock, remote
from tests.support.certificates import make_identity
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry, serve_registry
from tests.support.samples import AMD64, ARM64, sample_image, sample_index, sample_layer


def contents(image: Image) -> list[bytes]:
    blobs = [image.manifest, image.config_blob, *(layer.blob for layer in image.layers)]
    return [blob.open().read() for blob in blobs]


@pytest.mark.parametrize("kind", list(Format))
def test_an_image_comes_back_as_it_was_pushed(registry: RunningRegistry, kind: Format) -> None:
    image = sample_image("a", "b", "c", format=kind, size=3 << 20)
    store: Store = remote(registry.host, f"round/trip-{kind.value}")
    assert copy(image, to=store, names=["1", f"{registry.host}/round/trip-{kind.value}:2"]) == image.manifest.descriptor
    for name in ("1", "2", str(image.manifest.descriptor.digest)):
        assert contents(load(store, name, AMD64)) == contents(image)


def test_a_pulled_layer_knows_where_it_came_from(registry: RunningRegistry) -> None:
    store = remote(registry.host, "origin")
    copy(sample_image("a"), to=store, names=["1"])
    assert load(store, "1", AMD64).layers[0].blob.origin == store.repository


def test_an_index_gives_the_image_for_the_platform(registry: RunningRegistry) -> None:
    store = remote(registry.host, "multi")
    images = [sample_image(platform.architecture, platform=platform) for platform in (AMD64, ARM64)]
    for image in images:
        copy(image, to=store, names=[])
    store.tag("latest", sample_index(images))
    assert load(store, "latest", ARM64).manifest.descriptor.digest == images[1].manifest.descriptor.digest
    with pytest.raises(ImageError, match="nothing for platform linux/s390x") as error:
        load(store, "latest", replace(AMD64, architecture="s390x"))
    assert error.value.hint == "it has: linux/amd64, linux/arm64"


def test_an_empty_blob_is_pushed(registry: RunningRegistry) -> None:
    store = remote(registry.host, "empty")
    blob = Blob.of(b"", OCI_LAYER_GZIP)
    store.put(blob)
    assert store.has(blob.descriptor)
    assert store.open(blob.descriptor).read() == b""


def test_what_is_there_already_is_not_sent_again(registry: RunningRegistry) -> None:
    with serve_faults(registry.host) as proxy:
        for _ in range(2):
            copy(sample_image("again"), to=remote(proxy.host, "again"), names=["1"])
        assert len(proxy.matching("^PUT .*/blobs/uploads/")) == 2


def test_a_layer_of_another_repository_is_mounted_not_uploaded(registry: RunningRegistry) -> None:
    with serve_faults(registry.host) as proxy:
        base = sample_image("mounted")
        copy(base, to=remote(proxy.host, "mount/from"), names=["1"])
        pulled = load(remote(proxy.host, "mount/from"), "1", AMD64)
        proxy.seen.clear()
        copy(pulled, to=remote(proxy.host, "mount/to"), names=["1"])
        assert len(proxy.matching(r"^POST .*/mount/to/blobs/uploads/\?mount=.*&from=mount%2Ffrom$")) == 2
        assert not proxy.matching("^(PUT|PATCH) .*/blobs/uploads/")
        assert not proxy.matching("^GET .*/blobs/")


def test_a_mount_that_the_registry_does_not_do_becomes_an_upload(registry: RunningRegistry) -> None:
    with serve_faults(registry.host) as proxy:
        layer = sample_layer("unmounted")
        store = remote(proxy.host, "mount/fallback")
        store.put(replace(layer.blob, origin=replace(store.repository, path="mount/nowhere")))
        assert len(proxy.matching("^POST ")) == 1
        proxy.faults.append(Fault(where="^POST .*mount=", status=405))
        other = sample_layer("unmounted too")
        store.put(replace(other.blob, origin=replace(store.repository, path="mount/nowhere")))
        assert store.has(layer.blob.descriptor)
        assert store.has(other.blob.descriptor)


def test_an_unknown_tag_is_an_error_that_says_so(registry: RunningRegistry) -> None:
    with pytest.raises(NotFoundError) as error:
        remote(registry.host, "round/nothing").resolve("1")
    assert error.value.message == (
        f"GET http://{registry.host}/v2/round/nothing/manifests/1: 404 MANIFEST_UNKNOWN: manifest unknown"
    )
    assert error.value.hint.startswith("check the name and the tag")


def test_a_name_of_another_repository_is_refused(registry: RunningRegistry) -> None:
    with pytest.raises(ImageError, match="is not in repository"):
        remote(registry.host, "mine").resolve(f"{registry.host}/other:1")


def test_a_manifest_of_an_unknown_type_is_refused(registry: RunningRegistry) -> None:
    body = json.dumps({"schemaVersion": 1, "name": "old", "fsLayers": []}).encode()
    headers = {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}
    with (
        serve_faults(registry.host, Fault(where="/manifests/", status=200, headers=headers, body=body)) as proxy,
        pytest.raises(ImageError, match="unknown type") as error,
    ):
        load(remote(proxy.host, "old"), "1", AMD64)
    assert "schema 1" in error.value.hint


def test_a_manifest_that_is_too_large_is_refused(registry: RunningRegistry) -> None:
    with (
        serve_faults(registry.host, Fault(where="/manifests/", status=200, body=b" " * (SMALL_LIMIT + 1))) as proxy,
        pytest.raises(ImageError, match="too large"),
    ):
        remote(proxy.host, "large").resolve("1")


def test_a_manifest_that_is_not_what_was_asked_for_is_refused(registry: RunningRegistry) -> None:
    image = sample_image("digest")
    copy(image, to=remote(registry.host, "digest"), names=["1"])
    digest = str(image.manifest.descriptor.digest)
    with serve_faults(registry.host, Fault(where="/manifests/sha256:", corrupt=20)) as proxy:
        with pytest.raises(ImageError, match="its digest is not sha256:"):
            remote(proxy.host, "digest").resolve(digest)
        proxy.faults[0] = Fault(where="/manifests/1", headers={"Docker-Content-Digest": str(Digest.of(b"other"))})
        with pytest.raises(ImageError, match="its digest is not sha256:"):
            remote(proxy.host, "digest").resolve("1")


@pytest.mark.parametrize("said", ["text/plain", "application/json; charset=utf-8"])
def test_a_vague_content_type_is_looked_up_in_the_document(registry: RunningRegistry, said: str) -> None:
    image = sample_image("vague")
    copy(image, to=remote(registry.host, "vague"), names=["1"])
    with serve_faults(registry.host, Fault(where="/manifests/", headers={"Content-Type": said})) as proxy:
        assert remote(proxy.host, "vague").resolve("1") == image.manifest.descriptor


@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["compressed", "only-said-so"])
def test_a_manifest_that_was_compressed_on_the_way_is_read(registry: RunningRegistry, compress: Callable[[bytes], bytes]) -> None:
    manifest = sample_image("compressed").manifest
    headers = {"Content-Encoding": "gzip", "Content-Type": OCI_MANIFEST, "Docker-Content-Digest": str(manifest.descriptor.digest)}
    body = compress(manifest.open().read())
    with serve_faults(registry.host, Fault(where="/manifests/", status=200, headers=headers, body=body)) as proxy:
        assert remote(proxy.host, "encoded").resolve("1") == manifest.descriptor


def test_a_compressed_manifest_is_bounded(registry: RunningRegistry) -> None:
    fault = Fault(where="/manifests/", status=200, headers={"Content-Encoding": "gzip"}, body=gzip.compress(bytes(64 << 20)))
    with serve_faults(registry.host, fault) as proxy, pytest.raises(ImageError, match="too large"):
        remote(proxy.host, "bomb").resolve("1")


def test_a_foreign_layer_is_refused(registry: RunningRegistry) -> None:
    descriptor = Descriptor(
        media_type=MediaType("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        digest=Digest.of(b"foreign"),
        size=7,
        urls=("https://example.com/layer",),
    )
    store = remote(registry.host, "foreign")
    with pytest.raises(ImageError, match=r"https://example\.com/layer"):
        store.open(descriptor)
    with pytest.raises(ImageError, match="not in the registry"):
        store.put(Blob(descriptor=descriptor, open=lambda: store.open(descriptor)))


def test_an_immutable_tag_that_means_the_same_already_is_no_error(registry: RunningRegistry) -> None:
    first, second = sample_image("one"), sample_image("two")
    copy(first, to=remote(registry.host, "immutable"), names=["1"])
    body = json.dumps({"errors": [{"code": "TAG_INVALID", "message": "the tag is immutable"}]}).encode()
    with serve_faults(registry.host, Fault(where="^PUT .*/manifests/", status=400, body=body)) as proxy:
        copy(first, to=remote(proxy.host, "immutable"), names=["1"])
        with pytest.raises(RegistryError, match="400 TAG_INVALID: the tag is immutable"):
            copy(second, to=remote(proxy.host, "immutable"), names=["1"])


def test_an_immutable_tag_that_means_another_image_is_only_warned_of_if_that_is_wanted(
    registry: RunningRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = sample_image("one"), sample_image("two")
    copy(first, to=remote(registry.host, "forgiven"), names=["1"])
    said = json.dumps(
        {"errors": [{"code": "TAG_INVALID", "message": "cannot be overwritten because the tag is immutable"}]}
    ).encode()
    other = json.dumps({"errors": [{"code": "MANIFEST_INVALID", "message": "manifest invalid"}]}).encode()
    with serve_faults(registry.host, Fault(where="^PUT .*/manifests/", status=400, body=said)) as proxy:
        store = remote(proxy.host, "forgiven", forgive_immutable=True)
        copy(second, to=store, names=["1"])
        assert f"{proxy.host}/forgiven:1 is immutable and keeps its image" in caplog.text
        assert store.resolve("1").digest == first.manifest.descriptor.digest
        proxy.faults[:] = [Fault(where="^PUT .*/manifests/", status=400, body=other)]
        with pytest.raises(RegistryError, match="MANIFEST_INVALID"):
            copy(second, to=store, names=["1"])


def test_a_blob_that_is_not_its_descriptor_is_not_stored(registry: RunningRegistry) -> None:
    good, bad = sample_layer("good").blob, sample_layer("bad").blob
    store = remote(registry.host, "damaged")
    with pytest.raises(ImageError, match="has the digest"):
        store.put(replace(good, open=lambda: Blob.of(bytes(good.descriptor.size), OCI_LAYER_GZIP).open()))
    with pytest.raises(ImageError, match="ends"):
        store.put(replace(good, open=lambda: Blob.of(b"short", OCI_LAYER_GZIP).open()))
    assert not store.has(good.descriptor)
    assert not store.has(bad.descriptor)


def test_a_damaged_file_of_the_store_is_not_stored(registry: RunningRegistry, tmp_path: Path) -> None:
    """The registry finds out, and then we do."""
    blob, store = sample_layer("rotten").blob, remote(registry.host, "rotten")
    for damaged in (bytes(blob.descriptor.size), b"short", bytes(blob.descriptor.size + 1)):
        (tmp_path / "blob").write_bytes(damaged)
        with pytest.raises(ImageError, match=r"has the digest|ends|longer"):
            store.put(replace(blob, open=lambda: (tmp_path / "blob").open("rb"), path=tmp_path / "blob"))
        assert not store.has(blob.descriptor)


def test_tls_needs_a_trusted_certificate(tmp_path: Path) -> None:
    identity = make_identity(tmp_path)
    tls = {"certificate": str(identity.certificate_path), "key": str(identity.key_path)}
    with serve_registry(tmp_path, tls=tls) as running:
        clock = FakeClock()
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED") as error:
            remote(running.host, "tls", clock=clock).resolve("1")
        assert "--registry-certificate" in error.value.hint
        assert clock.slept == []
        trusting = RegistryOptions(certificates={running.host: identity.certificate_path})
        copy(sample_image("tls"), to=remote(running.host, "tls", options=trusting), names=["1"])
        lenient = RegistryOptions(skip_tls_verify_registries=frozenset({running.host}))
        assert load(remote(running.host, "tls", options=lenient), "1", AMD64)
