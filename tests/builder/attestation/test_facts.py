"""What a plan tells: materials, what was asked for, and whether that is all."""

from __future__ import annotations

from builder.attestation.facts import Circumstances, facts_of
from builder.attestation.provenance import Facts, Wish
from builder.bill import read_contents
from builder.context import Origin
from builder.image.image import Image
from builder.image.platform import Platform
from builder.ops import Remote
from builder.options import BuildOptions
from builder.values import replace
from tests.support.dockerfiles import AMD64, lowered

GIT = Origin(url="https://git.test/a.git#main", algorithm="sha1", hex="c0ffee")
FILE = Origin(url="https://web.test/file", algorithm="sha256", hex="beef")


def image_of(reference: str, platform: Platform) -> Image:
    return Image.scratch(platform)


def origin_of(source: Remote | str) -> Origin | None:
    return None if source == "never" else FILE


ABOUT = Circumstances(
    options=BuildOptions(),
    names=(),
    entry_point="Dockerfile",
    dockerfile=b"",
    source="",
    origin=None,
    build_args={},
    named={},
    image_of=image_of,
    contents_of=lambda image: read_contents(image.layers),
    origin_of=origin_of,
    invocation="1",
    started="",
    finished="",
)


def facts(text: str, about: Circumstances = ABOUT) -> Facts:
    return facts_of(lowered(text), about)


def test_images_are_materials_once_whoever_uses_them() -> None:
    found = facts("FROM base AS a\nRUN --mount=from=tools,target=/t x\nFROM base\nCOPY --from=a /x /x\nCOPY --from=other:1 /y /y")
    assert [material.uri for material in found.materials] == [
        "pkg:docker/base@latest?platform=linux%2Famd64",
        "pkg:docker/tools@latest?platform=linux%2Famd64",
        "pkg:docker/other@1?platform=linux%2Famd64",
    ]
    assert {material.hex for material in found.materials} == {image_of("", AMD64).manifest.descriptor.digest.hex}


def test_images_that_are_copied_from_are_those_of_the_platform_that_is_built_for() -> None:
    stage = "FROM --platform=linux/arm64 base\n"
    found = facts(f"{stage}COPY --from=tools /x /x\nRUN --mount=from=other,target=/t x")
    assert [material.uri.rpartition("%2F") for material in found.materials] == [
        ("pkg:docker/base@latest?platform=linux", "%2F", "arm64"),
        ("pkg:docker/tools@latest?platform=linux", "%2F", "amd64"),
        ("pkg:docker/other@latest?platform=linux", "%2F", "amd64"),
    ]


def test_an_image_of_this_machines_directories_has_no_path_in_its_name() -> None:
    about = replace(ABOUT, named={})
    (material,) = facts("FROM oci-layout:///home/me/layouts/app:1\n", about).materials
    assert material.uri.startswith("pkg:oci/app@sha256%3A")


def test_a_local_context_is_named_and_leaves_the_materials_open() -> None:
    found = facts("FROM scratch\nCOPY x /")
    assert found.locals == ("context", "dockerfile")
    assert (found.has_all_materials, found.is_hermetic) == (False, False)
    assert facts("FROM base").locals == ("dockerfile",)


def test_a_repository_is_the_source_and_all_that_there_is() -> None:
    about = replace(ABOUT, source=GIT.url, origin=GIT)
    found = facts("FROM scratch\nCOPY x /\nADD https://web.test/file?token=1 /", about)
    assert (found.source, found.digest, found.locals) == (GIT.url, {"sha1": "c0ffee"}, ())
    assert [(material.uri, material.digest) for material in found.materials] == [
        (GIT.url, {"sha1": "c0ffee"}),
        (FILE.url, {"sha256": "beef"}),
    ]
    assert found.has_all_materials
    assert found.is_hermetic


def test_a_command_with_a_network_may_have_fetched_anything() -> None:
    about = replace(ABOUT, source=GIT.url, origin=GIT)
    assert not facts("FROM scratch\nRUN x", about).is_hermetic
    assert facts("FROM scratch\nRUN --network=none x", about).is_hermetic


def test_a_context_whose_digest_is_not_known_is_told_as_far_as_it_is() -> None:
    found = facts("FROM scratch\nCOPY x /", replace(ABOUT, source="gs://bucket/x.tar.gz"))
    assert (found.source, found.digest, found.has_all_materials) == ("gs://bucket/x.tar.gz", {}, False)


def test_secrets_and_agents_are_told_by_their_names() -> None:
    found = facts(
        "FROM base\nRUN --mount=type=secret,id=a --mount=type=secret,id=b,required x\n"
        "RUN --mount=type=secret,id=a,required --mount=type=ssh y"
    )
    assert found.secrets == (Wish(id="a", is_optional=False), Wish(id="b", is_optional=False))
    assert found.agents == (Wish(id="default", is_optional=True),)


def test_arguments_are_told_as_they_are_but_for_secrets() -> None:
    options = BuildOptions(label=("l=1=2",), target=("app",), no_cache=True, network="none", add_host=("a:::1",))
    args = {"EMPTY": "", "ODD": '"\n\udcff=,', "TOKEN": "Bearer hunter2 and hunter2"}
    named = {"tree": "/home/me/tree", "repo": "https://me:pass@git.test/a.git?x=1", "base": "docker-image://alpine"}
    found = facts("FROM scratch", replace(ABOUT, options=options, build_args=args, named=named, secrets=(b"hunter2\n",)))
    assert found.arguments == {
        "add-hosts": "a=::1",
        "build-arg:EMPTY": "",
        "build-arg:ODD": '"\n\udcff=,',
        "build-arg:TOKEN": "Bearer *** and ***",
        "context:base": "docker-image://alpine",
        "context:repo": "https://git.test/a.git",
        "context:tree": "local:tree",
        "force-network-mode": "none",
        "label:l": "1=2",
        "no-cache": "",
        "target": "app",
    }
