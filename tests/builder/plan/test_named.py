from __future__ import annotations

import pytest

from builder.errors import UsageError
from builder.image.platform import Platform
from builder.plan import NamedContexts

_AMD64, _ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.mark.parametrize(
    "given", ["alpine", "alpine:latest", "docker.io/library/alpine", "index.docker.io/library/alpine:latest"]
)
@pytest.mark.parametrize("asked", ["alpine", "docker.io/alpine", "docker.io/library/alpine:latest"])
def test_a_name_is_found_in_any_of_its_forms(given: str, asked: str) -> None:
    assert NamedContexts.parse([f"{given}=x"]).find(asked, _AMD64) == "alpine"


def test_other_tags_registries_and_what_is_no_name_are_not_found() -> None:
    named = NamedContexts.parse(["alpine=x"])
    assert [named.find(name, _AMD64) for name in ("alpine:3", "quay.io/alpine", "Alpine", "a b")] == [None] * 4


def test_the_context_for_a_platform_goes_first() -> None:
    named = NamedContexts.parse(["a=one", "a::linux/arm64=two", "b::linux/arm64=three"])
    assert (named.find("a", _AMD64), named.find("a", _ARM64)) == ("a", "a::linux/arm64")
    assert (named.find("b", _AMD64), named.find("b", _ARM64)) == (None, "b::linux/arm64")


@pytest.mark.parametrize(
    ("value", "image"),
    [
        ("docker-image://debian:12", "debian:12"),
        ("oci-layout:///a/b:c", "oci-layout:///a/b:c"),
        ("docker-image://scratch", None),
        ("../dir", None),
        ("https://h/x.git", None),
        ("git@h:x", None),
    ],
)
def test_images_and_trees(value: str, image: str | None) -> None:
    assert NamedContexts.parse([f"a={value}"]).image("a") == image


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a", "invalid context value: a, expected key=value"),
        ("a=", "invalid context value"),
        ("=b", "invalid context name"),
        ("A=b", "invalid context name A"),
        ("a::nowhere/nothing/at/all=b", "invalid context name a"),
        ("scratch=b", "'scratch' means something of its own"),
        ("context=b", "'context' means something of its own"),
        ("a=input:b", "input: contexts are not supported"),
        ("a=target:b", "target: contexts are not supported"),
        ("a=s3://b", "unsupported context source s3"),
        ("a=docker-image://B", "context a: invalid reference"),
    ],
)
def test_what_is_wrong_with_a_context_is_said(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        NamedContexts.parse([text])
    assert says in caught.value.message
