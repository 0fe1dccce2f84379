from __future__ import annotations

import json
from typing import Any

import pytest

from builder.errors import BuilderError
from builder.image.blob import Blob
from builder.image.media import OCI_INDEX, OCI_MANIFEST
from builder.store.copy import copy
from tests.builder.registry.support import remote
from tests.support.faults import Fault, serve_faults
from tests.support.masu import Masu
from tests.support.registry import RunningRegistry
from tests.support.samples import sample_image

IMAGE = sample_image("subject")
DIGEST = IMAGE.manifest.descriptor.digest


def descriptor(text: str) -> dict[str, Any]:
    blob = Blob.of(text.encode(), OCI_MANIFEST)
    return {**blob.descriptor.to_json(), "artifactType": "application/vnd.example.sbom"}


def index(*texts: str) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(text) for text in texts]}).encode()


def test_the_referrers_api_is_asked_page_by_page(registry: RunningRegistry) -> None:
    link = {"Link": f'</v2/referred/referrers/{DIGEST}?last=b&n=2>; rel="next"', "Content-Type": OCI_INDEX}
    faults = [
        Fault(where=r"/referrers/[^?]*$", status=200, headers=link, body=index("a", "b")),
        Fault(where=r"/referrers/.*last=b", status=200, body=index("c")),
    ]
    with serve_faults(registry.host, *faults) as proxy:
        found = remote(proxy.host, "referred").referrers(DIGEST)
    assert list(found) == [descriptor("a"), descriptor("b"), descriptor("c")]


def test_without_the_api_the_tag_that_stands_for_it_is_read(registry: RunningRegistry, tmp_path: Any) -> None:
    store = remote(registry.host, "tagged")
    copy(IMAGE, to=store, names=["1"])
    assert store.referrers(DIGEST) == ()
    signed = IMAGE.manifest.descriptor.to_json() | {"artifactType": "application/vnd.example.signature"}
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [signed]}).encode()
    store.tag(f"sha256-{DIGEST.hex}", Blob.of(body, OCI_INDEX))
    assert list(store.referrers(DIGEST)) == [signed]
    told = Masu(state=tmp_path)("inspect", "--referrers", f"{registry.host}/tagged:1")
    assert json.loads(told.stdout)["manifests"] == [signed]


@pytest.mark.parametrize("status", [400, 405, 406])
def test_not_every_registry_without_the_api_says_404(registry: RunningRegistry, status: int) -> None:
    with serve_faults(registry.host, Fault(where="/referrers/", status=status)) as proxy:
        assert remote(proxy.host, f"without{status}").referrers(DIGEST) == ()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"manifests": {}}', b'{"manifests": [1]}', b'{"manifests": [{"size": -1}]}']
)
def test_an_answer_that_is_no_index_is_refused(registry: RunningRegistry, body: bytes) -> None:
    with serve_faults(registry.host, Fault(where="/referrers/", status=200, body=body)) as proxy, pytest.raises(BuilderError):
        remote(proxy.host, "malformed").referrers(DIGEST)


@pytest.mark.parametrize("link", ["<" * 60_000, "<>;" * 20_000, "<>" + ";" * 60_000])
def test_a_link_that_means_nothing_ends_the_list(registry: RunningRegistry, link: str) -> None:
    fault = Fault(where="/referrers/", status=200, headers={"Link": link}, body=index("a"))
    with serve_faults(registry.host, fault) as proxy:
        assert list(remote(proxy.host, "linked").referrers(DIGEST)) == [descriptor("a")]


def test_pages_without_end_are_refused(registry: RunningRegistry) -> None:
    link = {"Link": f'</v2/endless/referrers/{DIGEST}>; rel="next"'}
    fault = Fault(where="/referrers/", status=200, headers=link, body=index())
    with serve_faults(registry.host, fault) as proxy, pytest.raises(BuilderError, match="more than 100 pages"):
        remote(proxy.host, "endless").referrers(DIGEST)
