from __future__ import annotations

import pytest

from builder.errors import ImageError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.image.media import OCI_MANIFEST
from builder.image.platform import Platform, choose


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("Linux/AMD64/v2", "linux/amd64/v2"),
        ("windows/amd64", "windows/amd64"),
    ],
)
def test_a_platform_is_normalized(text: str, canonical: str) -> None:
    assert str(Platform.parse(text)) == canonical


@pytest.mark.parametrize("text", ["linux", "Linux", "x86_64", "riscv64", "macos"])
def test_one_word_is_an_operating_system_or_an_architecture(text: str) -> None:
    expected = {"x86_64": "linux/amd64", "riscv64": "linux/riscv64", "macos": f"darwin/{Platform.host().architecture}"}
    assert str(Platform.parse(text)) == expected.get(text, str(Platform.host()))


@pytest.mark.parametrize("text", ["", "linux/", "/amd64", "a/b/c/d", "amd46", "linux-amd64", "linux/amd 64", "linux(5)/amd64"])
def test_a_malformed_platform_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="platform"):
        Platform.parse(text)


def manifest(number: int, platform: Platform | None) -> Descriptor:
    return Descriptor(media_type=OCI_MANIFEST, digest=Digest.of(bytes([number])), size=1, platform=platform)


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], 1),
        ("linux/arm64", ["linux/amd64", "linux/arm64/v8"], 1),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7"], 2),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], 1),
        ("linux/arm/v6", ["linux/arm/v7"], None),
        ("linux/amd64", ["linux/amd64/v3"], None),
        ("linux/amd64", ["windows/amd64"], None),
        ("linux/amd64", [], None),
    ],
)
def test_the_best_manifest_of_an_index_is_chosen(wanted: str, offered: list[str], chosen: int | None) -> None:
    manifests = [manifest(number, Platform.parse(text)) for number, text in enumerate(offered)]
    result = choose(manifests, Platform.parse(wanted))
    assert result == (None if chosen is None else manifests[chosen])


def test_attestations_without_a_real_platform_are_never_chosen() -> None:
    attestation = manifest(0, Platform(os="unknown", architecture="unknown"))
    assert choose([attestation, manifest(1, None)], Platform.parse("linux/amd64")) is None
