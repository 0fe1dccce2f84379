"""`--output`: what docker's exporters write, and pushing by digest for whoever joins images afterwards."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.bases import Bases
from tests.support.images import differences, read_image
from tests.support.masu import Masu, shell, write_context
from tests.support.oracle import Docker
from tests.support.registry import RunningRegistry
from tests.support.tree import make_tar, make_tree, member, tree_dump

DOCKERFILE = """\
FROM {base}
COPY --chown=5:6 --chmod=4750 file /made/
ADD root.tar /made
COPY --link file /linked/
"""
ROOT = make_tar(
    member("deep/", uid=7, gid=8, mode=0o2711, type=tarfile.DIRTYPE),
    (member("deep/a", uid=9, mode=0o400), b"a"),
    member("deep/b", uid=9, mode=0o400, linkname="deep/a", type=tarfile.LNKTYPE),
    member("pipe", uid=1, type=tarfile.FIFOTYPE),
    member("dangling", linkname="/nowhere/at/all", uid=3, type=tarfile.SYMTYPE),
    (member("n" * 120 + "ä"), b"long"),
)
BEFORE = {"made/old": "old", "made/deep/a/full": "was a directory", "linked": "-> made", "mine": "mine"}


@pytest.fixture
def context(bases: Bases, tmp_path: Path) -> Path:
    text = DOCKERFILE.format(base=bases.references()["busybox"])
    return write_context(tmp_path / "context", text, {"file": "one\n", "root.tar": ROOT})


def both(masu: Masu, docker: Docker, context: Path, *outputs: str) -> None:
    """Build with both; DIR in an output is `masu` and `docker` beside the context."""
    for name in ("masu", "docker"):
        (context.parent / name).mkdir(exist_ok=True)
        words = [f"--output={output.replace('DIR', str(context.parent / name))}" for output in outputs]
        if name == "masu":
            done = masu("build", *words, context)
        else:
            done = docker.run("buildx", "build", "--provenance=false", *words, str(context))
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


def without_capabilities(directory: Path) -> dict[str, str]:
    """Docker's client sets them, and loses them when it gives the file its owner afterwards."""
    return {path: text.partition(" security.capability")[0] for path, text in tree_dump(directory).items()}


def members(path: Path) -> dict[str, tuple[object, ...]]:
    with tarfile.open(path) as archive:
        return {
            info.name: (info.type, info.mode, info.uid, info.gid, info.size, info.linkname, info.uname)
            for info in archive
        }  # fmt: skip


def document(path: Path, name: str) -> Any:
    with tarfile.open(path) as archive:
        content = archive.extractfile(name)
        assert content
        return json.loads(content.read())


@pytest.mark.oracle
def test_files_are_those_that_docker_exports(stocked: Masu, merging_docker: Docker, context: Path) -> None:
    for name in ("masu", "docker"):
        make_tree(context.parent / name / "out", BEFORE)
    both(stocked, merging_docker, context, "DIR/out", "type=tar,dest=DIR/out.tar")
    masu, docker = context.parent / "masu", context.parent / "docker"
    assert without_capabilities(masu / "out") == without_capabilities(docker / "out")
    assert "/mine" in tree_dump(masu / "out")
    assert members(masu / "out.tar") == members(docker / "out.tar")


@pytest.mark.oracle
def test_archives_are_those_that_docker_exports(stocked: Masu, merging_docker: Docker, context: Path) -> None:
    outputs = ["type=oci,name=a.test/x:1,dest=DIR/oci.tar", "type=docker,name=x:2,dest=DIR/docker.tar"]
    both(stocked, merging_docker, context, *outputs)
    masu, docker = context.parent / "masu", context.parent / "docker"
    for kind in ("oci", "docker"):
        assert not differences(read_image(docker / f"{kind}.tar"), read_image(masu / f"{kind}.tar"))
        names = [
            [entry["annotations"]["io.containerd.image.name"] for entry in document(path, "index.json")["manifests"]]
            for path in (masu / f"{kind}.tar", docker / f"{kind}.tar")
        ]
        assert names[0] == names[1]
    tags = [document(path / "docker.tar", "manifest.json")[0]["RepoTags"] for path in (masu, docker)]
    assert tags[0] == tags[1] == ["x:2"]


@pytest.mark.oracle
@pytest.mark.parametrize(
    "platforms",
    [
        ["--platform=linux/amd64,linux/s390x"],
        ["--platform=linux/s390x", "--build-arg=BUILDKIT_MULTI_PLATFORM=1"],
        ["--platform=linux/s390x", "--build-arg=BUILDKIT_MULTI_PLATFORM=0"],
    ],
)
def test_several_platforms_are_in_directories_as_docker_has_them(
    stocked: Masu, merging_docker: Docker, tmp_path: Path, platforms: list[str]
) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /arch\n"
    context = write_context(tmp_path / "context", text, {"amd64": "1", "s390x": "2"})
    for name in ("masu", "docker"):
        words = [
            *platforms,
            f"--output={tmp_path / name}",
            f"--output=type=tar,dest={tmp_path / name}.tar",
        ]
        if name == "masu":
            assert stocked("build", *words, context).returncode == 0
        else:
            done = merging_docker.run("buildx", "build", "--provenance=false", *words, str(context))
            assert done.returncode == 0, done.stdout
    assert set(tree_dump(tmp_path / "masu")) == set(tree_dump(tmp_path / "docker"))
    assert set(members(tmp_path / "masu.tar")) == set(members(tmp_path / "docker.tar"))


def test_a_tar_comes_on_standard_output_and_the_log_elsewhere(stocked: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM scratch\nCOPY file /\n", {"file": "one\n"})
    done = subprocess.run(stocked.argv("build", "-o", "-", context), env=stocked.environment(), capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert archive.getnames() == ["file"]
    assert b"built sha256:" in done.stderr


@pytest.fixture
def images(stocked: Masu, registry: RunningRegistry, tmp_path: Path) -> list[dict[str, Any]]:
    """What the metadata files say of two images, which were pushed by digest, one named by --tag and one by the output."""
    name, found = f"{registry.host}/joined", list[dict[str, Any]]()
    for arch, words in (
        ("amd64", ["--tag", name, "-o", "type=image,push-by-digest=true,name-canonical=true,push=true"]),
        ("arm64", ["-o", f"type=image,name={name},push-by-digest=true", "--push"]),
    ):
        context = write_context(tmp_path / arch, f"FROM scratch\nCOPY {arch} /\n", {arch: arch})
        files = [f"--metadata-file={tmp_path}/metadata", f"--image-name-tag-with-digest-file={tmp_path}/names"]
        done = stocked("build", "--platform", f"linux/{arch}", *words, *files, context)
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / "metadata").read_text()) | {"names": (tmp_path / "names").read_text()})
    return found


def test_what_is_pushed_by_digest_has_no_tag_and_can_be_joined(
    images: list[dict[str, Any]], stocked: Masu, registry: RunningRegistry, merging_docker: Docker
) -> None:
    name = f"{registry.host}/joined"
    by_digest = [f"{name}@{image['containerimage.digest']}" for image in images]
    for image, expected in zip(images, by_digest, strict=True):
        assert image["masu.pushed"] == [expected]
        assert (image["image.name"], image["names"]) == (expected, f"{expected}\n")
    assert not list(registry.directory.glob("data/docker/registry/v2/repositories/joined/_manifests/tags/*"))
    assert name not in stocked("ls").stdout
    done = merging_docker.run("buildx", "imagetools", "create", "--tag", f"{name}:all", *by_digest)
    assert done.returncode == 0, done.stdout
    index = json.loads(shell(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}:all"]))
    assert [entry["digest"] for entry in index["manifests"]] == [image["containerimage.digest"] for image in images]
    assert [entry["platform"]["architecture"] for entry in index["manifests"]] == ["amd64", "arm64"]
