"""Answers of registries that mean harm, or nothing: a clear error, whatever they say."""

from __future__ import annotations

import json

import pytest

from builder.errors import BuilderError, RegistryError
from builder.image.digest import Digest
from tests.builder.registry.support import remote, user
from tests.support.faults import Fault, serve_faults
from tests.support.registry import RunningRegistry
from tests.support.samples import sample_layer

BLOB = sample_layer("malformed").blob
URLS = [
    "https://[evil/x", "https://evil:99999/x", "https://evil:x/x", "https://[::1]:x/", "https:///x", "ftp://evil/x",
    "file:///etc/passwd", "https://a b/x", "https://a\\@b/x", "https://" + "a" * 60_000, "//[", "https://%00/x", "https://xn--?/x",
    "unix:/x", "javascript:x",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS, ids=lambda url: url[:20])
def test_urls_that_mean_nothing_are_refused(registry: RunningRegistry, url: str) -> None:
    """As a redirect, as the place of an upload, and as a token realm."""
    headers = {"Location": url}
    with serve_faults(registry.host) as proxy:
        store = remote(proxy.host, "malformed", credentials=user(proxy.host, "ann", "pass"))
        proxy.faults[:] = [
            Fault(where="^GET .*/blobs/", status=307, headers=headers),
            Fault(where="^POST", status=202, headers=headers),
        ]
        with pytest.raises(BuilderError):
            store.open(BLOB.descriptor)
        with pytest.raises(BuilderError):
            store.put(BLOB)
        challenge = {"WWW-Authenticate": f'Bearer realm="{url}",service="x"'}
        proxy.faults[:] = [Fault(where=".", status=401, headers=challenge)]
        with pytest.raises(BuilderError):
            remote(proxy.host, "malformed", credentials=user(proxy.host, "ann", "pass")).resolve("1")


@pytest.mark.parametrize(
    "said",
    ["", "Bearer", "Bearer realm", "Bearer realm=", "=", ",,,", 'Bearer realm="', "Basic " * 5000, "\x7f",
     'Bearer scope="' + "a:b:c " * 9000 + '"', "Bearer" + " " * 60_000 + '"', 'Bearer realm="' + '=\\"' * 20_000],
    ids=lambda said: said[:10],
)  # fmt: skip
def test_challenges_that_mean_nothing_are_an_error_of_the_registry(registry: RunningRegistry, said: str) -> None:
    with (
        serve_faults(registry.host, Fault(where=".", status=401, headers={"WWW-Authenticate": said})) as proxy,
        pytest.raises(RegistryError),
    ):
        remote(proxy.host, "malformed", credentials=user(proxy.host, "ann", "pass")).resolve("1")


@pytest.mark.parametrize(
    "headers",
    [
        {"Docker-Content-Digest": "sha256:x"}, {"Docker-Content-Digest": "md5:" + "0" * 32}, {"Docker-Content-Digest": "\udcff"},
        {"Content-Type": "application/" + "x" * 60_000}, {"Content-Type": "\x01"},
    ],
)  # fmt: skip
def test_headers_of_a_manifest_that_mean_nothing_are_refused(registry: RunningRegistry, headers: dict[str, str]) -> None:
    body = json.dumps({"schemaVersion": 2}).encode()
    headers = {name: value.encode("utf-8", "surrogateescape").decode("latin-1") for name, value in headers.items()}
    with serve_faults(registry.host, Fault(where="/manifests/", status=200, headers=headers, body=body)) as proxy:
        store = remote(proxy.host, "malformed")
        try:
            descriptor = store.resolve("1")
        except BuilderError:
            return
        assert descriptor.digest == Digest.of(body)


@pytest.mark.parametrize("said", ["-1", "9" * 400, "0-", "bytes=5-2", "x-y", "0-18446744073709551616"])
def test_ranges_of_an_upload_that_mean_nothing_are_got_over(registry: RunningRegistry, said: str) -> None:
    faults = [
        Fault(where="^PUT .*/blobs/uploads/", times=1, status=503),
        Fault(where="^GET .*/blobs/uploads/", status=204, headers={"Range": said}),
    ]
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, f"ranges{len(said)}")
        store.put(BLOB)
        assert store.has(BLOB.descriptor)


@pytest.mark.parametrize("said", ["9" * 5000, "-5", "1e9", "\u0665"])
def test_numbers_that_no_header_should_have_are_got_over(registry: RunningRegistry, said: str) -> None:
    value = said.encode().decode("latin-1")
    faults = [
        Fault(where="^HEAD", times=1, status=503, headers={"Retry-After": value}),
        Fault(where="^POST", headers={"OCI-Chunk-Min-Length": value}),
    ]
    with serve_faults(registry.host, *faults) as proxy:
        store = remote(proxy.host, f"numbers{len(said)}")
        store.put(BLOB)
        assert store.has(BLOB.descriptor)
