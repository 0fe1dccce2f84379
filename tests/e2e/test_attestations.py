"""What is attached to an image, as everybody else sees it: registries, docker, and masu itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from builder.image.platform import Platform
from tests.support.elsewhere import Elsewhere, serve_elsewhere
from tests.support.masu import Masu, shell, write_context
from tests.support.oracle import Docker
from tests.support.registry import RunningRegistry

SECRET = "hunter2-and-more"
DOCKERFILE = """\
FROM {base} AS app
ARG GREETING
RUN --mount=type=secret,id=token --network=none test -s /run/secrets/token
LABEL greeting=$GREETING
COPY file /file
"""
PACKAGE = '{"name": "left", "version": "1.0.0"}'
BUILDKIT = "https://mobyproject.org/buildkit@v1"
LLB = {"buildConfig", "locations", "layers", "llbDefinition", "digestMapping"}
"""What BuildKit tells of its own graph of steps."""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text(SECRET)
    return write_context(tmp_path / "context", DOCKERFILE.format(base="base"), {"file": "x"})


def build(masu: Masu, context: Path, *arguments: str | Path) -> None:
    done = masu("build", context, *arguments)
    assert done.returncode == 0, done.stderr


def statements(layout: Path) -> dict[str, dict[str, Any]]:
    """Predicate type → statement, of the only image of a layout; without attestations, nothing."""

    def read(descriptor: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((layout / "blobs" / descriptor["digest"].replace(":", "/")).read_text())
        return found

    (top,) = json.loads((layout / "index.json").read_text())["manifests"]
    entries = read(top).get("manifests", [])
    if not entries:
        return {}
    image, attestation = entries
    assert attestation["annotations"]["vnd.docker.reference.digest"] == image["digest"]
    found = {}
    for layer in read(attestation)["layers"]:
        statement = read(layer)
        assert layer["annotations"]["in-toto.io/predicate-type"] == statement["predicateType"]
        assert all(f"sha256:{subject['digest']['sha256']}" == image["digest"] for subject in statement["subject"])
        found[statement["predicateType"]] = statement
    return found


def keys(value: Any, path: str = "") -> set[str]:
    """Where a document has something, but for what only BuildKit can tell."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in LLB}
        return {path}.union(*(keys(item, f"{path}/{key}") for key, item in kept.items()))
    if isinstance(value, list):
        return {path}.union(*(keys(item, f"{path}/*") for item in value))
    return {path}


def told(predicate: dict[str, Any]) -> dict[str, Any]:
    """What two builders have to say alike; the times, and the builds' names, are their own."""
    found = {key: predicate[key] for key in ("builder", "buildType", "materials", "invocation")}
    return {**found, "completeness": predicate["metadata"]["completeness"]}


@pytest.mark.parametrize("mode", ["min", "max"])
def test_provenance_is_as_buildkits(
    stocked: Masu, merging_docker: Docker, registry: RunningRegistry, context: Path, tmp_path: Path, mode: str
) -> None:
    base = f"{registry.host}/base:1"
    build(stocked, write_context(tmp_path / "base", "FROM base\n"), "-d", base)
    write_context(context, DOCKERFILE.format(base=base))
    arguments = [f"--provenance=mode={mode},builder-id=https://ci.test/1", "--build-arg=GREETING=hello", "--label=l=1"]
    arguments += [f"--secret=id=token,src={tmp_path}/token", "--target=app"]
    build(stocked, context, *arguments, "--oci-layout-path", tmp_path / "ours", "--no-push")
    archive = tmp_path / "theirs.tar"
    done = merging_docker.run("buildx", "build", *arguments, f"--output=type=oci,dest={archive}", str(context))
    assert done.returncode == 0, done.stdout
    (tmp_path / "theirs").mkdir()
    shell(["tar", "-C", tmp_path / "theirs", "-xf", archive])
    ((ours,), (theirs,)) = (statements(tmp_path / name).values() for name in ("ours", "theirs"))
    assert {key: ours[key] for key in ("_type", "predicateType")} == {key: theirs[key] for key in ("_type", "predicateType")}
    assert told(ours["predicate"]) == told(theirs["predicate"])
    assert keys(ours["predicate"]) == keys(theirs["predicate"])
    assert SECRET not in json.dumps(ours)


def test_docker_shows_and_pulls_what_was_pushed(
    stocked: Masu, docker: Docker, merging_docker: Docker, registry: RunningRegistry, context: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/app:1"
    (context / "node_modules/left").mkdir(parents=True)
    (context / "node_modules/left/package.json").write_text(PACKAGE)
    with (context / "Dockerfile").open("a") as file:
        file.write("COPY node_modules /app/node_modules\n")
    asked = ["--provenance=true", "--sbom=true", f"--secret=id=token,src={tmp_path}/token"]
    build(stocked, context, *asked, "-d", name, "--digest-file", tmp_path / "digest")

    def inspected(what: str) -> Any:
        done = merging_docker.run("buildx", "imagetools", "inspect", "--format", f"{{{{json .{what}}}}}", name)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout)

    assert inspected("Manifest")["digest"] == (tmp_path / "digest").read_text()
    provenance, bill = inspected("Provenance")["SLSA"], inspected("SBOM")["SPDX"]
    assert provenance["buildType"] == BUILDKIT
    assert [material["uri"] for material in provenance["materials"]] == [
        f"pkg:docker/base@latest?platform={str(Platform.host()).replace('/', '%2F')}"
    ]
    assert "pkg:npm/left@1.0.0" in json.dumps(bill)
    for engine in (docker, merging_docker):
        done = engine.run("pull", f"{name}@{(tmp_path / 'digest').read_text()}")
        assert done.returncode == 0, done.stdout
        engine.run("image", "rm", "--force", f"{name}@{(tmp_path / 'digest').read_text()}")


def test_masu_takes_the_image_and_not_what_is_said_about_it(
    stocked: Masu, other: Masu, registry: RunningRegistry, context: Path, tmp_path: Path
) -> None:
    name, secret = f"{registry.host}/app:2", f"--secret=id=token,src={tmp_path}/token"
    build(stocked, context, "--sbom=true", "--provenance=true", secret, "-d", name, "-t", "kept")
    assert other("pull", name).returncode == 0
    assert "file" in other("run", name, "ls", "/").stdout
    above = write_context(tmp_path / "above", f"FROM {name}\nRUN test -f /file\n")
    build(other, above, "--no-push", "--oci-layout-path", tmp_path / "plain")
    assert statements(tmp_path / "plain") == {}
    build(stocked, write_context(tmp_path / "kept", "FROM kept\nRUN test -f /file\n"), "--no-push", "-t", "x")
    archive = tmp_path / "image.tar"
    build(stocked, context, "--sbom=true", secret, "--no-push", "--tar-path", archive)
    assert other("load", "-i", archive).returncode == 0


@pytest.mark.parametrize("no", [["--provenance=false", "--sbom=false"], ["--attest=type=provenance,disabled=true"], []])
def test_without_attestations_an_image_is_one_manifest(stocked: Masu, tmp_path: Path, no: list[str]) -> None:
    context = write_context(tmp_path / "context", "FROM base\n")
    build(stocked, context, *no, "--no-push", "--oci-layout-path", tmp_path / "layout")
    (top,) = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    assert top["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_the_image_and_the_bill_are_reproducible_and_provenance_tells_when_it_was(stocked: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM base\nCOPY Dockerfile /\n")
    found = []
    for number in "12":
        layout = tmp_path / number
        build(stocked, context, "--reproducible", "--sbom=1", "--provenance=1", "--no-push", "--oci-layout-path", layout)
        found.append(statements(layout))
    one, two = found
    assert one["https://spdx.dev/Document"] == two["https://spdx.dev/Document"]
    provenances = [each["https://slsa.dev/provenance/v0.2"] for each in found]
    assert provenances[0]["subject"] == provenances[1]["subject"]
    ids, starts = (
        {each["predicate"]["metadata"][key] for each in provenances} for key in ("buildInvocationID", "buildStartedOn")
    )
    assert (len(ids), len(starts)) == (2, 2)


def test_each_platform_has_its_own(stocked: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n")
    platforms, layout = ["linux/amd64", "linux/arm64"], tmp_path / "layout"
    build(stocked, context, f"--platform={','.join(platforms)}", "--provenance=1", "--no-push", "--oci-layout-path", layout)
    (top,) = json.loads((layout / "index.json").read_text())["manifests"]
    entries = json.loads((layout / "blobs" / top["digest"].replace(":", "/")).read_text())["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64", "unknown", "unknown"]
    digests = [entry["annotations"]["vnd.docker.reference.digest"] for entry in entries[2:]]
    assert digests == [entry["digest"] for entry in entries[:2]]


def test_a_repository_with_its_commit_is_what_the_image_was_made_of(stocked: Masu, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    with serve_elsewhere(tmp_path / "served") as elsewhere:
        _check_repository(elsewhere, stocked, tmp_path)


def _check_repository(elsewhere: Elsewhere, masu: Masu, tmp_path: Path) -> None:
    remote = f"{elsewhere.http}/repo.git#main"
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY f /f\nADD {elsewhere.http}/file.txt /\n")
    layout = tmp_path / "layout"
    done = masu(
        *("build", "-c", remote, "-f", tmp_path / "Dockerfile", "--provenance=1", "--no-push", "--oci-layout-path", layout)
    )
    assert done.returncode == 0, done.stderr
    (made,) = statements(layout).values()
    commit = {"sha1": elsewhere.commit("main")}
    assert made["predicate"]["invocation"]["configSource"] == {"uri": remote, "digest": commit, "entryPoint": "Dockerfile"}
    assert [material["uri"] for material in made["predicate"]["materials"]] == [remote, f"{elsewhere.http}/file.txt"]
    assert made["predicate"]["metadata"]["completeness"]["materials"] is True
    assert made["predicate"]["metadata"][f"{BUILDKIT}#hermetic"] is True


def test_a_build_that_attaches_nothing_does_not_load_it() -> None:
    code = "import builder.build, sys; print([name for name in sys.modules if 'attestation' in name or 'builder.bill' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
