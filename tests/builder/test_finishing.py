from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder.finishing import finished
from builder.image.annotations import Annotations
from builder.image.encoding import Encoding
from builder.image.image import Image
from builder.image.platform import Platform

ARM_V6 = Platform(os="linux", architecture="arm", variant="v6")


@pytest.mark.parametrize(
    ("base", "wanted", "expected"),
    [
        (Platform.parse("linux/amd64"), Platform.parse("linux/arm64"), "linux/arm64"),
        (Platform(os="linux", architecture="arm64", variant="v8"), Platform.parse("linux/arm64"), "linux/arm64"),
        (Platform(os="linux", architecture="amd64", variant="v3"), Platform.parse("linux/amd64"), "linux/amd64/v3"),
        (ARM_V6, Platform.parse("linux/arm/v7"), "linux/arm/v7"),
        (ARM_V6, Platform.parse("linux/amd64"), "linux/amd64"),
        (ARM_V6, None, "linux/arm/v6"),
        (Platform(os="linux", architecture="arm64", variant="v8"), None, "linux/arm64/v8"),
    ],
)
def test_an_image_is_for_the_platform_that_was_asked_for(
    tmp_path: Path, base: Platform, wanted: Platform | None, expected: str
) -> None:
    image = finished(Image.scratch(base), encoding=Encoding(), annotations=Annotations(), platform=wanted, to=tmp_path)
    with image.config_blob.open() as stream:
        written = Platform.from_json(json.load(stream))
    assert (str(written), image.platform) == (expected, written)
