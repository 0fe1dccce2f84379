from __future__ import annotations

import json

import pytest

from builder.errors import ImageError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.manifest import Index, Manifest, parse_manifest
from builder.image.media import DOCKER_INDEX, DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST, MediaType

CONFIG = Descriptor(media_type=OCI_CONFIG, digest=Digest.of(b"c"), size=1)
LAYER = Descriptor(
    media_type=OCI_LAYER_GZIP, digest=Digest.of(b"l"), size=1, urls=("https://x",), annotations={"b": "2", "a": "1"}
)


def test_a_manifest_survives_a_round_trip() -> None:
    manifest = Manifest(media_type=OCI_MANIFEST, config=CONFIG, layers=(LAYER,), annotations={"k": "v"})
    assert parse_manifest(manifest.to_bytes(), OCI_MANIFEST) == manifest


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
def test_an_index_lists_its_manifests(media_type: MediaType) -> None:
    document = {"schemaVersion": 2, "manifests": [CONFIG.to_json() | {"platform": {"os": "linux", "architecture": "arm64"}}]}
    parsed = parse_manifest(json.dumps(document).encode(), media_type)
    assert isinstance(parsed, Index)
    assert str(parsed.manifests[0].platform) == "linux/arm64"


@pytest.mark.parametrize(
    ("data", "media_type", "what"),
    [
        (b"", OCI_MANIFEST, "JSON"),
        (b"[]", OCI_MANIFEST, "object"),
        (b"{}", OCI_MANIFEST, "layers"),
        (b'{"layers":[]}', OCI_MANIFEST, "descriptor"),
        (b'{"layers":[],"config":{"mediaType":"x","digest":"sha256:../../x","size":1}}', OCI_MANIFEST, "digest"),
        (b'{"layers":[],"config":{"mediaType":"x","digest":"y","size":-1}}', OCI_MANIFEST, "size"),
        (b'{"layers":[],"config":{"mediaType":"x","digest":"y","size":true}}', OCI_MANIFEST, "size"),
        (b'{"manifests":{}}', OCI_INDEX, "list"),
        (b'{"manifests":[]}', OCI_MANIFEST, "unknown type"),
        (b'{"layers":[]}', OCI_INDEX, "unknown type"),
        (b'{"mediaType":"application/x"}', DOCKER_MANIFEST, "announced"),
        (b'{"schemaVersion":1}', MediaType("application/vnd.docker.distribution.manifest.v1+prettyjws"), "unknown type"),
        (b'{"config":{}}', MediaType("text/html"), "unknown type"),
    ],
)
def test_a_malformed_manifest_is_an_image_error(data: bytes, media_type: MediaType, what: str) -> None:
    with pytest.raises(ImageError, match=what):
        parse_manifest(data, media_type)
