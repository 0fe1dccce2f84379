from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.errors import ImageError, NotFoundError, RegistryError, UsageError
from builder.image.reference import Reference, Repository
from builder.registry.mirrors import Mirror, MirroredRepository, Mirrors, Unreachable
from builder.registry.repository import RemoteRepository
from builder.registry.transport import RegistryOptions, Transport
from builder.store.copy import copy, load
from tests.builder.registry.support import FakeClock, Known, remote
from tests.support.faults import Fault, FaultyProxy, serve_faults
from tests.support.registry import RunningRegistry, free_port, htpasswd, serve_registry
from tests.support.samples import AMD64, sample_image, sample_layer

IMAGE = sample_image("mirrored", "image")


@pytest.mark.parametrize(
    ("maps", "mirrors", "image", "places"),
    [
        ((), (), "debian", ["docker.io/library/debian"]),
        ((), ("mirror.gcr.io",), "debian", ["mirror.gcr.io/library/debian", "docker.io/library/debian"]),
        ((), ("m:5000/hub/",), "team/app", ["m:5000/hub/team/app", "docker.io/team/app"]),
        ((), ("one", "two"), "a/b", ["one/a/b", "two/a/b", "docker.io/a/b"]),
        ((), ("one", "one"), "a/b", ["one/a/b", "docker.io/a/b"]),
        ((), ("one",), "ghcr.io/a/b", ["ghcr.io/a/b"]),
        (("",), ("", " "), "a/b", ["docker.io/a/b"]),
        ((), ("", "one"), "a/b", ["one/a/b", "docker.io/a/b"]),
        (("index.docker.io=m1;docker.io=m2/p/q",), (), "x", ["m1/library/x", "m2/p/q/library/x", "docker.io/library/x"]),
        (("ghcr.io=m1", "ghcr.io=m2", "quay.io=m3"), (), "ghcr.io/a", ["m1/a", "m2/a", "ghcr.io/a"]),
        (("docker.io=mapped",), ("mirror",), "a/b", ["mapped/a/b", "mirror/a/b", "docker.io/a/b"]),
        (("ghcr.io=m;",), (), "ghcr.io/a", ["m/a", "ghcr.io/a"]),
        (("GHCR.io=m",), (), "ghcr.io/a", ["m/a", "ghcr.io/a"]),
        (("ghcr.io=docker.io/ghcr",), (), "ghcr.io/a", ["docker.io/ghcr/a", "ghcr.io/a"]),
    ],
)
def test_images_are_looked_for_in_this_order(
    maps: tuple[str, ...], mirrors: tuple[str, ...], image: str, places: list[str]
) -> None:
    repository = Reference.parse(image).repository
    found = Mirrors.parse(maps=maps, mirrors=mirrors, fallback=True).places(repository)
    assert [str(place) for place in found] == places
    without = Mirrors.parse(maps=maps, mirrors=mirrors, fallback=False).places(repository)
    assert [str(place) for place in without] == (places[:-1] or places)


@pytest.mark.parametrize("text", ["", "ghcr.io", "=m", "ghcr.io=", "ghcr.io=https://m", "ghcr.io/a=m", "a=b=c"])
def test_a_map_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid"):
        Mirrors.parse(maps=[text or "="], mirrors=[], fallback=True)


@pytest.mark.parametrize("text", ["", "/", "https://m", "a=b"])
def test_a_mirror_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="in --registry-mirror"):
        Mirror.parse(text, where="--registry-mirror")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with serve_registry(tmp_path_factory.mktemp("original")) as running:
        copy(IMAGE, to=remote(running.host, "app"), names=["1"])
        yield running


def mirrored(hosts: list[str], *, clock: FakeClock | None = None) -> MirroredRepository:
    """`app`, at the last of the hosts by right, read from all of them in turn."""
    clock = clock or FakeClock()
    transport = Transport(RegistryOptions(), retry=clock.retry(), clock=clock.time)
    places = [RemoteRepository(Repository(host=host, path="app"), transport=transport) for host in hosts]
    return MirroredRepository(places[-1], places=places, unreachable=Unreachable())


def test_the_first_mirror_that_has_the_image_serves_it(original: RunningRegistry, registry: RunningRegistry) -> None:
    copy(IMAGE, to=remote(registry.host, "app"), names=["1"])
    with serve_faults(registry.host) as mirror, serve_faults(original.host) as unasked:
        image = load(mirrored([mirror.host, unasked.host]), "1", AMD64)
        assert image.layers[0].blob.open().read() == IMAGE.layers[0].blob.open().read()
        assert image.layers[0].blob.origin == Repository(host=mirror.host, path="app")
        assert unasked.seen == []
        assert len(mirror.matching("^GET .*/manifests/")) == 1


@pytest.mark.parametrize("fault", [Fault(where="app", status=404), Fault(where="app", status=401), Fault(where="app", status=403),
                                   Fault(where="app", status=503), Fault(where="/v2/$", status=500)])  # fmt: skip
def test_a_mirror_that_can_not_serve_is_passed_over(
    original: RunningRegistry, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_faults(original.host, fault) as mirror:
        image = load(mirrored([mirror.host, original.host]), f"{original.host}/app:1", AMD64)
        assert image.manifest.descriptor == IMAGE.manifest.descriptor
        assert image.layers[0].blob.origin == Repository(host=original.host, path="app")
        assert f"can't read {original.host}/app:1 from {mirror.host}/app: " in caplog.text


def test_a_mirror_that_is_down_is_not_waited_for(original: RunningRegistry, caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    store = mirrored([f"127.0.0.1:{free_port()}", original.host], clock=clock)
    image = load(store, "1", AMD64)
    assert image.layers[0].blob.open().read() == IMAGE.layers[0].blob.open().read()
    assert clock.slept == []
    assert caplog.text.count("trying the next registry") == 1


def test_a_mirror_that_is_busy_is_not_waited_for(original: RunningRegistry) -> None:
    clock = FakeClock()
    with serve_faults(original.host, Fault(where="app", status=429, headers={"Retry-After": "60"})) as mirror:
        store = mirrored([mirror.host, original.host], clock=clock)
        image = load(store, "1", AMD64)
        assert store.has(IMAGE.layers[0].blob.descriptor)
        assert image.layers[0].blob.open().read() == IMAGE.layers[0].blob.open().read()
    assert clock.slept == []


@pytest.mark.parametrize("fault", [Fault(where="app", status=503, times=2), Fault(where="/v2/$", status=429, times=2)])
def test_a_mirror_that_was_busy_is_asked_again_if_nobody_else_has_the_image(
    original: RunningRegistry, registry: RunningRegistry, fault: Fault
) -> None:
    clock = FakeClock()
    copy(IMAGE, to=remote(original.host, "app"), names=["here-alone"])
    with serve_faults(original.host, fault) as mirror:
        image = load(mirrored([mirror.host, registry.host], clock=clock), "here-alone", AMD64)
        assert image.layers[0].blob.origin == Repository(host=mirror.host, path="app")
    assert clock.slept == [1.0]


def test_what_a_mirror_has_begun_to_send_it_is_waited_for(original: RunningRegistry) -> None:
    clock = FakeClock()
    blob = IMAGE.layers[0].blob
    faults = [Fault(where="/blobs/", times=1, reset=10), Fault(where="/blobs/", times=2, status=503)]
    with serve_faults(original.host, *faults) as mirror, serve_faults(original.host) as unasked:
        assert mirrored([mirror.host, unasked.host], clock=clock).open(blob.descriptor).read() == blob.open().read()
        assert unasked.seen == []
    assert len(clock.slept) == 3


def test_a_blob_that_a_mirror_lacks_comes_from_the_next(original: RunningRegistry) -> None:
    with serve_faults(original.host, Fault(where="/blobs/", status=404)) as mirror:
        image = load(mirrored([mirror.host, original.host]), "1", AMD64)
        assert image.layers[1].blob.open().read() == IMAGE.layers[1].blob.open().read()


def test_a_wrong_digest_is_an_error_and_nothing_else_is_tried(original: RunningRegistry) -> None:
    with serve_faults(original.host) as mirror, serve_faults(original.host) as unasked:
        store = mirrored([mirror.host, unasked.host])
        mirror.faults.append(Fault(where="/manifests/", corrupt=20))
        with pytest.raises(ImageError, match="its digest is not sha256:"):
            load(store, str(IMAGE.manifest.descriptor.digest), AMD64)
        mirror.faults[:] = [Fault(where="/blobs/", corrupt=20)]
        with pytest.raises(ImageError, match="has the digest"):
            store.open(IMAGE.layers[0].blob.descriptor).read()
        assert unasked.seen == []


def test_when_nobody_has_the_image_the_last_place_says_so(original: RunningRegistry, registry: RunningRegistry) -> None:
    with pytest.raises(NotFoundError, match=f"GET http://{original.host}/v2/app/manifests/none"):
        load(mirrored([registry.host, original.host]), "none", AMD64)
    with pytest.raises(RegistryError, match="Connection refused"):
        load(mirrored([registry.host, f"127.0.0.1:{free_port()}"]), "none", AMD64)


def test_what_is_written_goes_to_the_original_alone(original: RunningRegistry) -> None:
    with serve_faults(original.host) as mirror:
        store = mirrored([mirror.host, original.host])
        store.check_push()
        copy(sample_image("written"), to=store, names=["written"])
        assert mirror.seen == []
    assert remote(original.host, "app").resolve("written").digest == sample_image("written").manifest.descriptor.digest


def test_a_layer_is_mounted_from_the_mirror_that_has_it(original: RunningRegistry) -> None:
    with serve_faults(original.host) as mirror:
        image = load(mirrored([mirror.host, original.host]), "1", AMD64)
        copy(image, to=remote(mirror.host, "mounted"), names=["1"])
        assert len(mirror.matching(r"^POST .*mount=.*from=app$")) == len([*IMAGE.layers, IMAGE.config_blob])
        copy(image, to=remote(original.host, "elsewhere"), names=["1"])
        blobs = [layer.blob.descriptor for layer in IMAGE.layers]
        assert all(remote(original.host, "elsewhere").has(blob) for blob in blobs)


def test_each_place_gets_its_own_credentials_only(tmp_path: Path) -> None:
    with (
        serve_registry(tmp_path, auth=htpasswd(tmp_path, {"ann": "ann's", "bob": "bob's"})) as running,
        serve_faults(running.host, Fault(where="/manifests/", status=404)) as mirror,
        serve_faults(running.host) as own,
    ):
        credential = {host: Known.basic(name, f"{name}'s") for host, name in ((mirror.host, "ann"), (own.host, "bob"))}
        clock = FakeClock()
        transport = Transport(RegistryOptions(), credentials=[Known(credential)], retry=clock.retry(), clock=clock.time)
        places = [RemoteRepository(Repository(host=host, path="app"), transport=transport) for host in (mirror.host, own.host)]
        copy(IMAGE, to=places[1], names=["1"])
        load(MirroredRepository(places[1], places=places, unreachable=Unreachable()), "1", AMD64)
        assert authorizations(mirror) == {Known.header("ann", "ann's")}
        assert authorizations(own) == {Known.header("bob", "bob's")}


def authorizations(proxy: FaultyProxy) -> set[str]:
    return {item.headers["Authorization"] for item in proxy.seen if "Authorization" in item.headers}


@pytest.mark.parametrize("status", [403, 500])
def test_a_mirror_that_can_not_tell_what_it_has_is_passed_over(original: RunningRegistry, status: int) -> None:
    with serve_faults(original.host, Fault(where="^HEAD", status=status)) as proxy:
        store = mirrored([f"127.0.0.1:{free_port()}", proxy.host, original.host])
        assert store.has(IMAGE.layers[0].blob.descriptor)


def test_what_a_mirror_has_is_asked_of_all(original: RunningRegistry, registry: RunningRegistry) -> None:
    store = mirrored([registry.host, original.host])
    assert store.has(IMAGE.layers[0].blob.descriptor)
    assert not store.has(sample_layer("nowhere").blob.descriptor)
