from __future__ import annotations

import pytest

from builder.errors import UsageError
from builder.image.annotations import Annotations
from tests.support.samples import AMD64, ARM64

BOTH = (AMD64, ARM64)


@pytest.mark.parametrize(
    ("text", "for_amd64", "for_arm64"),
    [
        ("a=b", {"a": "b"}, {"a": "b"}),
        ("manifest:a=b", {"a": "b"}, {"a": "b"}),
        ("manifest[linux/arm64]:a=b", {}, {"a": "b"}),
        ("manifest[linux/arm64/v8]:a=b", {}, {"a": "b"}),
        ("manifest[linux/amd64],manifest[linux/arm64]:a=b", {"a": "b"}, {"a": "b"}),
        ("index:a=b", {}, {}),
    ],
)
def test_one_of_several_images_has_what_is_for_it(text: str, for_amd64: dict[str, str], for_arm64: dict[str, str]) -> None:
    assert [Annotations.parse([text], platform, of=BOTH).manifest for platform in BOTH] == [for_amd64, for_arm64]


@pytest.mark.parametrize("platforms", [(AMD64,), BOTH])
def test_an_annotation_of_what_isn_t_built_is_refused(platforms: tuple[()]) -> None:
    with pytest.raises(UsageError, match="is for linux/s390x, and the image for linux/amd64"):
        Annotations.parse(["manifest[linux/s390x]:a=b"], AMD64, of=platforms)


def test_bytes_that_are_not_utf_8_become_replacement_characters() -> None:
    assert Annotations.parse(["k\udcfc=Gr\udcfc\udcdfe"], AMD64).manifest == {"k\ufffd": "Gr\ufffd\ufffde"}
