"""--output, in the words of buildx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.errors import BuilderError
from builder.image.digest import Digest
from builder.options import BuildOptions
from builder.output_flags import Kind, Output, settled
from builder.outputs import Outputs

DIGEST = Digest.of(b"image")
BY_DIGEST = "type=image,push-by-digest=true,name-canonical=true,push=true"


def given(*outputs: str, **options: Any) -> BuildOptions:
    return settled(BuildOptions(output=outputs, **options))


@pytest.mark.parametrize(
    ("text", "kind", "dest", "is_layout"),
    [
        ("out", Kind.LOCAL, "out", False),
        ("-", Kind.TAR, "-", False),
        ("type=local,dest=a b", Kind.LOCAL, "a b", False),
        ('type=local,"dest=a,b"', Kind.LOCAL, "a,b", False),
        ("type=tar", Kind.TAR, "-", False),
        ("type=oci", Kind.OCI, "-", False),
        ("Type=oci,DEST=x=y.tar", Kind.OCI, "x=y.tar", False),
        ("type=oci,tar=0,dest=d", Kind.OCI, "d", True),
        ("type=docker,dest=-", Kind.DOCKER, "-", False),
        ("type=cacheonly", Kind.CACHEONLY, "", False),
    ],
)
def test_where_it_goes(text: str, kind: Kind, dest: str, is_layout: bool) -> None:
    found = Output.parse(text)
    assert (found.kind, found.dest, found.is_layout) == (kind, dest, is_layout)


@pytest.mark.parametrize(
    ("outputs", "options", "expected"),
    [
        (["type=registry"], {"tag": ("a",)}, {"tag": ("a",), "push": True}),
        (["type=registry,name=a"], {"tag": ("b",)}, {"destination": ("a",), "tag": ("b",), "push": False}),
        (['type=image,push=true,"name=a,b"'], {}, {"destination": ("a", "b"), "tag": ()}),
        (["type=image,name=a"], {}, {"destination": (), "tag": ("a",), "push": False}),
        (["type=image,name=a"], {"push": True}, {"destination": ("a",), "push": True}),
        (["type=registry,name=a,store=true"], {}, {"destination": ("a",), "tag": ("a",)}),
        (["type=image,compression=zstd,compression-level=7,force-compression=1"], {},
         {"compression": "zstd", "compression_level": 7, "force_compression": True}),
        (["type=oci"], {}, {"image_format": "oci"}),
        (["type=image,oci-mediatypes=false"], {}, {"image_format": "docker"}),
        (["type=image,annotation.a=b,annotation-index.c=d=e,annotation[linux/amd64].f=g,annotation-manifest-descriptor.h=i"], {},
         {"annotation": ("a=b", "index:c=d=e", "manifest[linux/amd64]:f=g", "manifest-descriptor:h=i")}),
    ],
)  # fmt: skip
def test_what_it_says_of_the_image_and_its_names_is_said_by_flags(
    outputs: list[str], options: dict[str, Any], expected: dict[str, object]
) -> None:
    found = given(*outputs, **options)
    assert {name: getattr(found, name) for name in expected} == expected
    assert settled(found) == found


_REFUSED = [
    (["type=foo,dest=x"], "unknown type 'foo'"),
    (["dest=out"], "type= is missing"),
    ([""], "invalid --output"),
    (["type=local"], "dest= is needed"),
    (["type=tar,dest="], "dest= is needed"),
    (["type=oci,tar=false"], "dest= is needed"),
    (["type=local,dest=-"], "can't be standard output"),
    (["type=docker"], "no Docker engine"),
    (["type=local,dest=x,name=y"], "name=y can't be had"),
    (["type=cacheonly,push=true"], "push=true can't be had"),
    (["type=image,unpack=true"], "unpack=true can't be had"),
    (["type=image,name=a,push=yes"], "neither true nor false"),
    (["type=image,compression=lz4"], "unknown compression 'lz4'"),
    (["type=image,compression-level=x"], "is no number"),
    (["type=oci,oci-mediatypes=false"], "OCI's media types"),
    (["type=oci,compression=zstd", "type=docker,dest=x,compression=gzip"], "others want zstd"),
    (["type=registry"], "nothing to push"),
    (["type=image,name=a:1,push=true,push-by-digest=true"], "tagged reference 'a:1'"),
    (["-", "type=oci"], "several outputs"),
    (["type=docker,dest=x"], "several platforms"),
    (["type=local,dest=x,platform-split=false"], "platform-split=false"),
]  # fmt: skip


@pytest.mark.parametrize(("outputs", "says"), _REFUSED)
def test_what_can_t_be_had_is_refused_with_what_to_do(outputs: list[str], says: str) -> None:
    platforms = ("linux/amd64,linux/arm64",) if "platform" in says else ()
    with pytest.raises(BuilderError, match=says) as error:
        Outputs.of(given(*outputs, custom_platform=platforms))
    assert error.value.hint or "true nor false" in says or "number" in says


def test_a_flag_and_an_output_must_agree() -> None:
    assert given("type=oci,compression=zstd", compression="zstd").compression == "zstd"
    with pytest.raises(BuilderError, match="others want estargz"):
        given("type=oci,compression=zstd", compression="estargz")


def test_a_destination_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for text in (f"{tmp_path}/file", f"type=oci,tar=false,dest={tmp_path}/file", f"type=tar,dest={tmp_path}"):
        with pytest.raises(BuilderError, match=r"is a (file|directory)"):
            Outputs.of(given(text))
    assert Outputs.of(given(str(tmp_path), f"type=tar,dest={tmp_path}/file")).exported


def test_nothing_binary_goes_to_a_terminal() -> None:
    with pytest.raises(BuilderError, match="terminal"):
        Outputs.of(given("-"), is_terminal=True)
    assert Outputs.of(given("out"), is_terminal=True).exported


@pytest.mark.parametrize(("output", "tag"), [(BY_DIGEST, ("a.test/b",)), (f"{BY_DIGEST},name=a.test/b", ())])
def test_what_is_pushed_by_digest_has_no_tag(output: str, tag: tuple[str, ...]) -> None:
    outputs = Outputs.of(given(output, tag=tag))
    assert outputs.tags == outputs.destinations == ()
    assert [str(name) for name in outputs.pushed_as(DIGEST)] == [f"a.test/b@{DIGEST}"]
    assert outputs.named(DIGEST) == outputs.pushed_as(DIGEST)


def test_no_push_is_obeyed() -> None:
    assert Outputs.of(given(f"{BY_DIGEST},name=a.test/b", "type=registry,name=c", no_push=True)).pushed == ()
