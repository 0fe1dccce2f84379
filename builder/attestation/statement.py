"""in-toto's statements about an image, and the manifest that they are in (moby/buildkit, attestation-storage.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from builder.image.blob import Blob
from builder.image.config import Config
from builder.image.image import Image
from builder.image.layer import Layer
from builder.image.media import Format, MediaType
from builder.image.platform import Platform
from builder.image.reference import Reference
from builder.values import dataclass, replace

SPDX = "https://spdx.dev/Document"

_STATEMENT = "https://in-toto.io/Statement/v0.1"
_IN_TOTO = MediaType("application/vnd.in-toto+json")
_PREDICATE_TYPE = "in-toto.io/predicate-type"
_REFERENCE_TYPE, _REFERENCE_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"
_NOWHERE = Platform(os="unknown", architecture="unknown")
_UNNAMED = "_"
_PLAIN = "~:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`data` is JSON; `predicate_type` what it says of the image."""

    predicate_type: str
    data: bytes


def statement(image: Image, names: Sequence[Reference], *, predicate_type: str, predicate: Mapping[str, Any]) -> Statement:
    """That the predicate is so of the image with these names."""
    digest = image.manifest.descriptor.digest
    subjects = dict.fromkeys(purl(name, image.platform) for name in names) or [_UNNAMED]
    document = {
        "_type": _STATEMENT,
        "predicateType": predicate_type,
        "subject": [{"name": subject, "digest": {digest.algorithm: digest.hex}} for subject in subjects],
        "predicate": predicate,
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return Statement(predicate_type=predicate_type, data=_unicode(text))


def attached(image: Image, statements: Iterable[Statement]) -> Image:
    """The manifest that stands beside the image's in an index; its layers are the statements."""
    made = Image.make(config=Config(platform=_NOWHERE), layers=tuple(map(_layer, statements)), format=Format.OCI)
    digest = str(image.manifest.descriptor.digest)
    annotations = {_REFERENCE_TYPE: "attestation-manifest", _REFERENCE_DIGEST: digest}
    descriptor = replace(made.manifest.descriptor, annotations=annotations)
    return replace(made, manifest=replace(made.manifest, descriptor=descriptor))


def predicates(attestation: Image) -> Iterator[tuple[str, Any]]:
    """The types and predicates of its statements."""
    for layer in attestation.layers:
        with layer.blob.open() as stream:
            yield layer.blob.descriptor.annotations[_PREDICATE_TYPE], json.load(stream)["predicate"]


def purl(reference: Reference, platform: Platform) -> str:
    """An image's name as BuildKit has it (util/purl/image.go): the registry and all but the last word are the namespace."""
    *space, name = (quote(part, safe=_PLAIN) for part in reference.repository.familiar.split("/"))
    tag = f"@{reference.tag}" if reference.tag else ""
    qualifiers = {"digest": str(reference.digest) if reference.digest else "", "platform": str(platform)}
    pairs = "&".join(f"{key}={quote(value, safe=_PLAIN)}" for key, value in qualifiers.items() if value)
    return f"pkg:docker/{'/'.join((*space, name))}{tag}?{pairs}"


def _layer(made: Statement) -> Layer:
    """It isn't compressed, so both digests are the same."""
    blob = Blob.of(made.data, _IN_TOTO)
    descriptor = replace(blob.descriptor, annotations={_PREDICATE_TYPE: made.predicate_type})
    return Layer(blob=replace(blob, descriptor=descriptor), diff_id=descriptor.digest)


def _unicode(text: str) -> bytes:
    """UTF-8; what stands for bytes that never were becomes U+FFFD."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
