"""Statements and the manifest that they are in, by moby/buildkit, docs/attestations/attestation-storage.md."""

from __future__ import annotations

import json

import pytest

from builder.attestation import provenance_facts
from builder.attestation.statement import attached, purl, statement
from builder.image.annotations import Annotations
from builder.image.image import Image
from builder.image.manifest import Index, Manifest, parse_manifest
from builder.image.media import OCI_INDEX, OCI_MANIFEST
from builder.image.platform import Platform, choose
from builder.image.product import Product
from builder.image.reference import Reference

ARM = Platform(os="linux", architecture="arm", variant="v7")
IMAGE = Image.scratch(ARM)
DIGEST = IMAGE.manifest.descriptor.digest

PURLS = [
    ("alpine", "pkg:docker/alpine@latest?platform=linux%2Farm%2Fv7"),
    ("ghcr.io/octo/tool:V1", "pkg:docker/ghcr.io/octo/tool@V1?platform=linux%2Farm%2Fv7"),
    ("localhost:5000/a/b:1", "pkg:docker/localhost:5000/a/b@1?platform=linux%2Farm%2Fv7"),
    (f"a/b@{DIGEST}", f"pkg:docker/a/b?digest={DIGEST}&platform=linux%2Farm%2Fv7"),
]


@pytest.mark.parametrize(("name", "url"), PURLS)
def test_an_image_is_called_as_buildkit_calls_it(name: str, url: str) -> None:
    assert purl(Reference.parse(name), ARM) == url


def test_a_statement_is_about_every_name_of_the_image() -> None:
    names = [Reference.parse("a:1"), Reference.parse("b:2"), Reference.parse("a:1")]
    made = json.loads(statement(IMAGE, names, predicate_type="https://x", predicate={"a": 1}).data)
    assert made["_type"] == "https://in-toto.io/Statement/v0.1"
    assert made["predicateType"] == "https://x"
    assert made["predicate"] == {"a": 1}
    assert [subject["name"] for subject in made["subject"]] == [purl(name, ARM) for name in names[:2]]
    assert all(subject["digest"] == {"sha256": DIGEST.hex} for subject in made["subject"])


def test_an_image_without_a_name_is_a_subject_all_the_same() -> None:
    (subject,) = json.loads(statement(IMAGE, [], predicate_type="t", predicate={}).data)["subject"]
    assert subject == {"name": "_", "digest": {"sha256": DIGEST.hex}}


def test_bytes_that_are_no_text_make_no_bad_json() -> None:
    made = statement(IMAGE, [], predicate_type="t", predicate={"a": "x\udcffy", "b": "\ud800"})
    assert json.loads(made.data.decode("utf-8"))["predicate"]["a"].startswith("x\ufffd")


def test_the_manifest_is_for_nowhere_and_says_what_it_is_of() -> None:
    statements = [statement(IMAGE, [], predicate_type=f"https://{name}", predicate={}) for name in "ab"]
    made = attached(IMAGE, statements)
    manifest = parse_manifest(read(made.manifest), OCI_MANIFEST)
    assert isinstance(manifest, Manifest)
    assert [layer.media_type for layer in manifest.layers] == ["application/vnd.in-toto+json"] * 2
    assert [layer.annotations for layer in manifest.layers] == [{"in-toto.io/predicate-type": f"https://{name}"} for name in "ab"]
    config = json.loads(read(made.config_blob))
    assert (config["os"], config["architecture"]) == ("unknown", "unknown")
    assert config["rootfs"]["diff_ids"] == [str(layer.digest) for layer in manifest.layers]
    assert [read(layer.blob) for layer in made.layers] == [each.data for each in statements]


def test_the_metadata_has_the_provenance_of_each_platform() -> None:
    other = Image.scratch(Platform(os="linux", architecture="amd64"))
    kinds = ["https://spdx.dev/Document", "https://slsa.dev/provenance/v1"]
    notes = [
        attached(
            image, [statement(image, [], predicate_type=kind, predicate={"is": f"{kind} {image.platform}"}) for kind in kinds]
        )
        for image in (IMAGE, other)
    ]
    both = Product.of([IMAGE, other], annotations=Annotations(), attestations=notes)
    one = Product.of([other], annotations=Annotations(), attestations=notes[1:])
    assert provenance_facts(both) == {
        f"buildx.build.provenance/{platform}": {"is": f"{kinds[1]} {platform}"} for platform in ("linux/arm/v7", "linux/amd64")
    }
    assert provenance_facts(one) == {"buildx.build.provenance": {"is": f"{kinds[1]} linux/amd64"}}


def test_nobody_takes_it_for_the_image() -> None:
    other = Image.scratch(Platform(os="linux", architecture="amd64"))
    notes = [attached(image, []) for image in (IMAGE, other)]
    product = Product.of([IMAGE, other], annotations=Annotations(), attestations=notes)
    assert product.index
    index = parse_manifest(read(product.index), OCI_INDEX)
    assert isinstance(index, Index)
    assert [str(entry.platform) for entry in index.manifests] == ["linux/arm/v7", "linux/amd64", *["unknown/unknown"] * 2]
    assert [entry.annotations for entry in index.manifests[2:]] == [
        {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": str(image.manifest.descriptor.digest),
        }
        for image in (IMAGE, other)
    ]
    assert choose(index.manifests, ARM) == index.manifests[0]
    assert choose(index.manifests[2:], ARM) is None


def read(blob: object) -> bytes:
    with blob.open() as stream:  # type: ignore[attr-defined]
        return bytes(stream.read())
