"""Several platforms in one build: an image each, as if it were built alone, and an index of them."""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.image.platform import Platform
from builder.sandbox.smallest import smallest
from tests.support.masu import Masu, shell, write_context
from tests.support.oracle import Docker
from tests.support.registry import RunningRegistry, serve_registry

HERE = str(Platform.host())
ELSEWHERE = "linux/s390x" if HERE != "linux/s390x" else "linux/amd64"
BOTH = f"{HERE},{ELSEWHERE}"
DOCKERFILE = """\
FROM --platform=$BUILDPLATFORM {base} AS tools
RUN cat /proc/sys/kernel/random/uuid > /tool
FROM tools AS build
ARG BUILDPLATFORM TARGETPLATFORM
RUN echo "$BUILDPLATFORM makes $TARGETPLATFORM" > /program
FROM {base}
COPY --from=build /program /program
COPY file /file
ARG TARGETARCH
ENV ARCH=$TARGETARCH
"""
LIKE_DOCKERS = """\
FROM scratch
ARG TARGETPLATFORM
COPY <<EOF /platform
$TARGETPLATFORM
EOF
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with serve_registry(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="module")
def base(stocked: Masu, registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A busybox for both platforms, which is this machine's in truth, so that it can be told what is run of it."""
    context = write_context(tmp_path_factory.mktemp("base"), "FROM base\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n")
    for name in BOTH.split(","):
        (context / Platform.parse(name).architecture).write_text(name)
    (context / "alone").write_text("FROM scratch\nADD root.tar /\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n")
    assert stocked("save", "base", "-o", context / "base.tar").returncode == 0
    with tarfile.open(context / "base.tar") as archive:
        (layer,) = json.loads(archive.extractfile("manifest.json").read())[0]["Layers"]  # type: ignore[union-attr]
        (context / "root.tar").write_bytes(archive.extractfile(layer).read())  # type: ignore[union-attr]
    name = f"{registry.host}/base:both"
    build(stocked, context, "-f", context / "alone", f"--platform={BOTH}", "-d", name)
    return name


@pytest.fixture
def context(base: str, tmp_path: Path) -> Path:
    return write_context(tmp_path / "context", DOCKERFILE.format(base=base), {"file": "one\n"})


def build(masu: Masu, context: Path, *options: str | Path) -> str:
    """The log."""
    done = masu("build", *options, context)
    assert done.returncode == 0, done.stderr
    return done.stderr


def raw(name: str) -> dict[str, Any]:
    """What a registry has under the name."""
    found: dict[str, Any] = json.loads(shell(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"]))
    return found


def entries(name: str) -> dict[str, str]:
    """The platforms of an index → the digests of their manifests, in its order."""
    platforms = {entry["digest"]: entry["platform"] for entry in raw(name)["manifests"]}
    return {f"{platform['os']}/{platform['architecture']}": digest for digest, platform in platforms.items()}


def layers(name: str) -> list[list[dict[str, Any]]]:
    """Those of each image of an index."""
    repository = name.rpartition(":")[0]
    return [raw(f"{repository}@{digest}")["layers"] for digest in entries(name).values()]


def hits(log: str) -> list[str]:
    return [text[:12] for text in re.findall(r"Using caching version of cmd: (.*)", log)]


def test_each_image_is_as_if_it_were_built_alone(stocked: Masu, registry: RunningRegistry, context: Path, tmp_path: Path) -> None:
    text = (context / "Dockerfile").read_text().replace("cat /proc/sys/kernel/random/uuid", "echo always")
    (context / "Dockerfile").write_text(text)
    name, told = f"{registry.host}/app:both", [tmp_path / "meta", tmp_path / "id", tmp_path / "digest"]
    flags = (f"--metadata-file={told[0]}", f"--iidfile={told[1]}", f"--digest-file={told[2]}", "--platform", HERE)
    log = build(stocked, context, "--reproducible", *flags, "--platform", BOTH, "-d", name)
    assert f"[{HERE} stage 1/3, step 1/1] RUN" in log
    assert f"[{ELSEWHERE} stage 3/3, step 1/4] COPY --from=build" in log
    alone = {}
    for number, platform in enumerate(BOTH.split(",")):
        build(stocked, context, "--reproducible", f"--customPlatform={platform}", f"--digest-file={told[0]}-{number}", "-t", "x")
        alone[platform] = Path(f"{told[0]}-{number}").read_text()
    assert list(entries(name).items()) == list(alone.items())
    metadata = json.loads(told[0].read_text())
    digest = metadata["containerimage.digest"]
    assert [told[1].read_text(), told[2].read_text(), metadata["containerimage.descriptor"]["digest"]] == [digest] * 3
    assert "containerimage.config.digest" not in metadata
    assert metadata["masu.platform"] == BOTH
    assert [step["name"].split()[0] for step in metadata["masu.steps"]] == [HERE] * 4 + [ELSEWHERE] * 4
    for platform in BOTH.split(","):
        assert stocked("pull", f"--platform={platform}", f"--insecure-registry={registry.host}", name).returncode == 0
        assert stocked("run", name, "cat", "/program", "/arch").stdout == f"{HERE} makes {platform}\n{platform}"


def test_an_image_is_for_its_platform_whatever_it_begins_with(
    stocked: Masu, registry: RunningRegistry, base: str, tmp_path: Path
) -> None:
    """And what it takes of other images is for that platform."""
    text = f"FROM --platform=$BUILDPLATFORM {base}\nCOPY --from={base} /arch /copied\n"
    context, name = write_context(tmp_path / "context", text), f"{registry.host}/mine:1"
    build(stocked, context, f"--platform={BOTH}", "-d", name, "--oci-layout-path", tmp_path / "layout")
    platforms = [Platform.parse(platform).to_json() for platform in BOTH.split(",")]
    *_, images = _shape(tmp_path / "layout")
    assert [image[2:] for image in images] == [(platform, platform) for platform in platforms]
    for platform in BOTH.split(","):
        assert stocked("pull", f"--platform={platform}", f"--insecure-registry={registry.host}", name).returncode == 0
        assert stocked("run", name, "cat", "/arch", "/copied").stdout == HERE + platform


def test_a_foreign_run_is_refused_before_anything_is_built(stocked: Masu, context: Path, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(smallest(Platform.parse(ELSEWHERE).architecture) or b"")
    program.chmod(0o755)
    try:
        subprocess.run([program], check=True)
    except OSError:
        pass
    else:
        pytest.skip(f"this machine runs programs of {ELSEWHERE}")
    with (context / "Dockerfile").open("a") as file:
        file.write("RUN true\n")
    done = stocked("build", f"--platform={BOTH}", "-t", "x", context)
    assert (done.returncode, " step " in done.stderr) == (1, False)
    assert f"Dockerfile:11: RUN true: this machine ({HERE}) can't run programs of {ELSEWHERE}" in done.stderr
    assert "FROM --platform=$BUILDPLATFORM" in done.stderr
    alone = ("--cache", f"--cache-repo=oci:{tmp_path}/cache", "--cache-copy-layers", "-t", "x")
    log = build(stocked, context, f"--platform={ELSEWHERE}", *alone)
    assert "RUN true" in log, "the programs are this machine's in truth, and one platform is tried"
    assert "RUN true" in hits(build(stocked, context, f"--platform={BOTH}", *alone)), "what is cached needn't be carried out"


def test_steps_in_common_are_carried_out_once(stocked: Masu, registry: RunningRegistry, context: Path) -> None:
    name = f"{registry.host}/common:1"
    log = build(stocked, context, f"--platform={BOTH}", "-d", name, "--cache")
    assert hits(log) == ["RUN cat /pro"]
    (context / "file").write_text("two\n")
    text = (context / "Dockerfile").read_text()
    (context / "Dockerfile").write_text(text.replace('RUN echo "', 'RUN echo -n "'))
    log = build(stocked, context, f"--platform={BOTH}", "-d", name, "--cache")
    missed = re.findall(r"No cached layer found for cmd (RUN echo).*\((.*)\)", log)
    assert missed == [("RUN echo", "the command")] * 2, "each platform's is compared with its own"


@pytest.mark.parametrize("kind", ["max", "inline"])
def test_lists_have_what_is_of_all_platforms(
    stocked: Masu, other: Masu, registry: RunningRegistry, context: Path, kind: str
) -> None:
    name = f"{registry.host}/{kind}:1"
    to, of = (
        ("type=inline", name)
        if kind == "inline"
        else (f"type=registry,ref={name}-cache,mode=max", f"type=registry,ref={name}-cache")
    )
    build(stocked, context, f"--platform={BOTH}", "-d", name, f"--cache-to={to}")
    log = build(other, context, f"--platform={BOTH}", "-d", f"{name}-again", f"--cache-from={of}", f"--cache-to={to}")
    assert ("No cached" in log, hits(log)) == (False, ["COPY --from=", "COPY file /f"] * 2)
    assert layers(f"{name}-again") == layers(name)


def test_annotations_are_for_all_or_for_one(stocked: Masu, registry: RunningRegistry, context: Path) -> None:
    name = f"{registry.host}/annotated:1"
    given = ("all=1", f"manifest[{HERE}]:one=1", f"manifest-descriptor[{ELSEWHERE}]:at=1", "index:whole=1")
    build(stocked, context, f"--platform={BOTH}", "-d", name, *(f"--annotation={text}" for text in given))
    index = raw(name)
    assert index["annotations"] == {"whole": "1"}
    assert [entry.get("annotations") for entry in index["manifests"]] == [None, {"at": "1"}]
    manifests = [raw(f"{name.removesuffix(':1')}@{entry['digest']}") for entry in index["manifests"]]
    assert [manifest["annotations"] for manifest in manifests] == [{"all": "1", "one": "1"}, {"all": "1"}]


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ("--tar-path=x.tar", "--tar-path can't hold an image for several platforms"),
        ("--sbom-file=x", "--sbom-file tells of one image"),
        ("--platform=a/b/c/d", "invalid platform"),
        ("--annotation=manifest[linux/arm/v5]:a=b", f"for {HERE}, {ELSEWHERE}"),
    ],
)
def test_what_is_for_one_platform_is_refused(stocked: Masu, context: Path, option: str, what: str) -> None:
    done = stocked("build", f"--platform={BOTH}", "-t", "x", option, context)
    assert (done.returncode, what in done.stderr, " step " in done.stderr) == (1, True, False), done.stderr


def test_plans_checks_and_what_is_cached_are_told_of_each(stocked: Masu, context: Path) -> None:
    (context / "Dockerfile").write_text("from scratch\nFROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /\n")
    flags = (f"--platform={BOTH}", context)
    plan = stocked("build", "--dry-run", *flags)
    assert re.findall("^platform (.*)", plan.stdout, re.M) == BOTH.split(",")
    assert re.findall(r'copy \["(.*)"\]', plan.stdout) == [Platform.parse(name).architecture for name in BOTH.split(",")]
    assert plan.stderr.count("ConsistentInstructionCasing") == 1
    assert stocked("build", "--check", *flags).stdout.count("ConsistentInstructionCasing") == 1
    for name in BOTH.split(","):
        (context / Platform.parse(name).architecture).write_text(name)
    explained = stocked("explain", "--cache-copy-layers", *flags).stdout
    assert re.findall("^platform (.*)|(never cached)", explained, re.M) == [
        pair for name in BOTH.split(",") for pair in ((name, ""), ("", "never cached"))
    ]


@pytest.mark.parametrize(
    "platforms",
    [
        ["--platform=linux/arm64/v8,linux/s390x,linux/arm/v6,linux/386"],
        ["--platform=linux/s390x", "--build-arg=BUILDKIT_MULTI_PLATFORM=1"],
    ],
)
def test_the_index_is_as_dockers(stocked: Masu, merging_docker: Docker, tmp_path: Path, platforms: list[str]) -> None:
    context = write_context(tmp_path / "context", LIKE_DOCKERS)
    told = tmp_path / "told.json"
    build(stocked, context, *platforms, "--oci-layout-path", tmp_path / "ours", "--no-push", "--metadata-file", told)
    assert "containerimage.config.digest" not in json.loads(told.read_text())
    archive = tmp_path / "theirs.tar"
    words = ["--provenance=false", *platforms, f"--output=type=oci,dest={archive}"]
    done = merging_docker.run("buildx", "build", *words, str(context))
    assert done.returncode == 0, done.stdout
    (tmp_path / "theirs").mkdir()
    shell(["tar", "-C", tmp_path / "theirs", "-xf", archive])
    ours, theirs = (_shape(tmp_path / name) for name in ("ours", "theirs"))
    assert ours == theirs


def _shape(layout: Path) -> list[Any]:
    """What an index says of its images, and what they say themselves of their platforms."""

    def read(descriptor: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((layout / "blobs" / descriptor["digest"].replace(":", "/")).read_text())
        return found

    (top,) = json.loads((layout / "index.json").read_text())["manifests"]
    index = read(top)
    images = [
        (entry["mediaType"], sorted(entry), entry["platform"], _platform(read(read(entry)["config"])))
        for entry in index["manifests"]
    ]
    return [top["mediaType"], index["mediaType"], sorted(index), images]


def _platform(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key in ("os", "architecture", "variant")}
