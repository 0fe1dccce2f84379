"""--cache-from and --cache-to, in the words of buildx."""

from __future__ import annotations

import pytest

from builder.cache_flags import CacheFlag, Kind
from builder.errors import BuilderError
from builder.image.reference import Reference

APP = Reference.parse("registry.example/app:cache")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("registry.example/app:cache", "cache"),
        ("type=registry,ref=registry.example/app:cache", "cache"),
        ("ref=registry.example/app", "latest"),
        ('"type=registry","ref=registry.example/app:cache",mode=max', "cache"),
        (
            "type=registry,ref=registry.example/app:cache,mode=min,image-manifest=true,oci-mediatypes=true,ignore-error=true",
            "cache",
        ),
    ],
)
def test_a_registry(text: str, name: str) -> None:
    found = CacheFlag.parse_to(text)
    assert (found.kind, found.name, found.of_all) == (Kind.REGISTRY, name, "mode=max" in text)
    assert found.reference
    assert found.reference.repository == APP.repository


def test_a_digest_can_be_read() -> None:
    digest = "sha256:" + "0" * 64
    assert CacheFlag.parse_from(f"registry.example/app@{digest}").name == digest


@pytest.mark.parametrize(
    ("text", "name"), [("", "latest"), (",tag=x", "x"), (",digest=sha256:" + "0" * 64, "sha256:" + "0" * 64)]
)
def test_a_directory(text: str, name: str) -> None:
    found = CacheFlag.parse_from(f"type=local,src=a/b{text}")
    assert (found.kind, found.directory, found.name) == (Kind.LOCAL, "a/b", name)
    assert CacheFlag.parse_to("type=local,dest=c,mode=max").directory == "c"


def test_the_image_itself() -> None:
    assert CacheFlag.parse_to("type=inline").kind is Kind.INLINE
    assert CacheFlag.parse_to("type=inline,mode=min").kind is Kind.INLINE


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("from", "type=gha", "type=registry,ref=REFERENCE"),
        ("to", "type=gha,mode=max", "type=registry,ref=REFERENCE"),
        ("to", "type=s3,bucket=b", "type=registry,ref=REFERENCE"),
        ("to", "type=azblob,name=b", "type=registry,ref=REFERENCE"),
        ("from", "type=inline", "name the image that has it"),
        ("to", "type=other", "types are registry, local, inline"),
        ("to", "type=inline,mode=max", "type=registry,ref=REFERENCE,mode=max"),
        ("to", "type=registry,ref=a,mode=most", "modes are min and max"),
        ("to", "type=registry", "ref= is missing"),
        ("to", "type=local,src=a", "known are dest, tag, mode"),
        ("from", "type=local", "src= is missing"),
        ("from", "type=local,src=a,mode=max", "known are src, tag, digest"),
        ("to", "type=registry,ref=a,compression=zstd", "as --compression says"),
        ("to", "type=registry,ref=a,image-manifest=false", "leave it out"),
        ("to", "type=registry,ref=a,registry.insecure=true", "--insecure-registry"),
        ("to", "a@sha256:" + "0" * 64, "give a tag"),
        ("to", "type=registry,ref=a,max", "has no value"),
        ("from", "", "there is nothing"),
        ("from", "type=registry,ref=A/B", "A/B"),
    ],
)
def test_what_masu_has_not_is_refused_with_what_to_do(option: str, text: str, says: str) -> None:
    with pytest.raises(BuilderError) as caught:
        (CacheFlag.parse_from if option == "from" else CacheFlag.parse_to)(text)
    assert says in f"{caught.value.message} {caught.value.hint}"
