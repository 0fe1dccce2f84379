from __future__ import annotations

import json

import pytest

from builder.image.annotations import Annotations
from builder.image.media import DOCKER_INDEX, OCI_INDEX, Format
from builder.image.platform import Platform
from builder.image.product import Product
from tests.support.samples import AMD64, ARM64, sample_image

ARM = sample_image("b", platform=ARM64)
AMD = sample_image("a")


def test_one_image_is_named_itself() -> None:
    product = Product.of([AMD], annotations=Annotations())
    assert (product.index, product.named, product.id) == (None, AMD.manifest, AMD.config_blob.descriptor.digest)


def test_an_index_names_several_in_the_order_given() -> None:
    product = Product.of([ARM, AMD], annotations=Annotations())
    with product.named.open() as stream:
        entries = json.loads(stream.read())["manifests"]
    assert [entry["platform"] for entry in entries] == [ARM64.to_json(), AMD64.to_json()]
    assert [entry["digest"] for entry in entries] == [str(image.manifest.descriptor.digest) for image in (ARM, AMD)]
    assert product.id == product.named.descriptor.digest
    assert len(product.layers) == 2


def test_an_image_alone_may_be_as_one_of_several() -> None:
    product = Product.of([AMD], annotations=Annotations(), is_for_several=True)
    with product.named.open() as stream:
        assert [entry["platform"] for entry in json.loads(stream.read())["manifests"]] == [AMD64.to_json()]
    assert product.id == product.named.descriptor.digest


def test_an_entry_has_the_platform_that_was_asked_for_whatever_the_base_says() -> None:
    v6 = Platform.parse("linux/arm/v6")
    product = Product.of([AMD, ARM.named_for(v6)], annotations=Annotations())
    with product.named.open() as stream:
        assert json.loads(stream.read())["manifests"][1]["platform"] == v6.to_json()


@pytest.mark.parametrize(
    ("formats", "media_type"),
    [
        ((Format.OCI, Format.OCI), OCI_INDEX),
        ((Format.DOCKER, Format.DOCKER), DOCKER_INDEX),
        ((Format.DOCKER, Format.OCI), OCI_INDEX),
    ],
)
def test_an_index_is_of_the_images_family(formats: tuple[Format, ...], media_type: str) -> None:
    images = [sample_image("a", format=format) for format in formats]
    assert Product.of(images, annotations=Annotations()).named.descriptor.media_type == media_type
