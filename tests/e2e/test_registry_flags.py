"""Mirrors, the check before the build, retries and several registries, as the command does it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import Fault, serve_faults
from tests.support.masu import Masu, add_base, shell, write_context
from tests.support.registry import RunningRegistry, free_port, serve_registry

DENIED = json.dumps({"errors": [{"code": "DENIED", "message": "requested access is denied"}]}).encode()
CHECKING = (
    "error checking push permissions -- make sure you entered the correct tag name, and that you are authenticated correctly, "
    "and try again: "
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """With `hub/library/base:1` in it."""
    directory = tmp_path_factory.mktemp("registry")
    masu = Masu(state=directory / "state")
    add_base(masu, directory)
    with serve_registry(directory) as running:
        context = write_context(directory / "again", "FROM base\nRUN echo mirrored > /origin\n")
        assert masu("build", "-d", f"{running.host}/hub/library/base:1", context).returncode == 0
        yield running


@pytest.fixture
def masu(tmp_path: Path) -> Masu:
    return Masu(state=tmp_path / "state")


@pytest.mark.parametrize(
    "flags",
    [
        ["--registry-mirror={host}/hub"],
        ["--registry-mirror={down}", "--registry-mirror={host}/hub", "--skip-default-registry-fallback"],
        ["--registry-map=index.docker.io={host}/nothing;docker.io={host}/hub"],
    ],
)
def test_an_image_of_docker_hub_comes_from_a_mirror(
    registry: RunningRegistry, masu: Masu, tmp_path: Path, flags: list[str]
) -> None:
    given = [flag.format(host=registry.host, down=f"127.0.0.1:{free_port()}") for flag in flags]
    context = write_context(tmp_path / "context", "FROM base:1\nCOPY --from=library/base:1 /origin /copy\nRUN cat /origin\n")
    done = masu("build", *given, "--destination", f"{registry.host}/mirrored:1", context)
    assert done.returncode == 0, done.stderr
    assert "mirrored" in done.stderr
    done = masu("pull", *given, "base:1")
    assert done.returncode == 0, done.stderr
    assert "base:1" in masu("ls").stdout


def test_mirrors_are_taken_from_the_environment(registry: RunningRegistry, tmp_path: Path) -> None:
    for name, value in (
        ("KANIKO_REGISTRY_MIRROR", f"{registry.host}/hub"),
        ("KANIKO_REGISTRY_MAP", f"docker.io={registry.host}/hub"),
    ):
        done = Masu(state=tmp_path / name, env={name: value})("pull", "base:1")
        assert done.returncode == 0, done.stderr


def test_layers_are_mounted_from_the_mirror_that_has_them(registry: RunningRegistry, masu: Masu, tmp_path: Path) -> None:
    with serve_faults(registry.host) as proxy:
        context = write_context(tmp_path, "FROM base:1\nLABEL a=b\n")
        done = masu("build", f"--registry-mirror={proxy.host}/hub", "-d", f"{proxy.host}/labelled:1", context)
        assert done.returncode == 0, done.stderr
        assert len(proxy.matching(r"^POST .*mount=.*&from=hub%2Flibrary%2Fbase")) == 2
        assert not proxy.matching(r"^GET .*/blobs/.*")[1:]  # the config alone


def test_without_permission_nothing_is_built(registry: RunningRegistry, masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path, f"FROM {registry.host}/hub/library/base:1\nRUN echo it has r''un\n")
    with serve_faults(registry.host, Fault(where="^POST", status=403, body=DENIED)) as proxy:
        done = masu("build", "-d", f"{registry.host}/allowed:1", "-d", f"{proxy.host}/denied:1", context)
        assert done.returncode == 1
        assert CHECKING in done.stderr
        assert f"{proxy.host}/denied" in done.stderr.rpartition(CHECKING)[2]
        assert "it has run" not in done.stderr
        skipping = masu("build", "--skip-push-permission-check", "-d", f"{proxy.host}/denied:1", context)
        assert skipping.returncode == 1
        assert "it has run" in skipping.stderr
        assert CHECKING not in skipping.stderr


def test_without_a_push_nothing_is_asked(registry: RunningRegistry, masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path / "context", f"FROM {registry.host}/hub/library/base:1\nLABEL a=b\n")
    with serve_faults(registry.host) as proxy:
        outputs = ["--no-push", "--tar-path", str(tmp_path / "x.tar"), "-d", f"{proxy.host}/unpushed:1"]
        done = masu("build", *outputs, context)
        assert done.returncode == 0, done.stderr
        assert proxy.seen == []


def test_the_other_destinations_are_completed(registry: RunningRegistry, masu: Masu, tmp_path: Path) -> None:
    context = write_context(tmp_path, f"FROM {registry.host}/hub/library/base:1\nLABEL which=others\n")
    with serve_faults(registry.host, Fault(where="^PUT .*/manifests/", status=403, body=DENIED)) as proxy:
        names = [f"{proxy.host}/fails:1", f"{registry.host}/works:1", f"{registry.host}/works-too:1"]
        done = masu("build", *(f"--destination={name}" for name in names), context)
    assert done.returncode == 1
    assert "failed to push to 1 of 3 destinations" in done.stderr
    assert f"{names[0].removesuffix(':1')}: PUT" in done.stderr
    for name in names[1:]:
        shell(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"])


@pytest.mark.parametrize(
    ("flag", "where"),
    [
        ("--image-download-retry=1", r"^GET .*/manifests/1"),
        ("--image-fs-extract-retry=1", r"^GET .*/blobs/"),
        ("--push-retry=1", r"^PUT .*/manifests/"),
    ],
)
def test_each_retry_is_for_its_own_part(registry: RunningRegistry, masu: Masu, tmp_path: Path, flag: str, where: str) -> None:
    """A 403 is not tried again by itself; the config's GET, the first of the blobs, succeeds."""
    name = flag.partition("=")[0].removeprefix("--")
    skipped = 1 if "blobs" in where else 0
    fault = Fault(where=where, after=skipped, times=1, status=403, body=DENIED)
    context = write_context(tmp_path / "context", "FROM {0}/hub/library/base:1\nRUN true\n")
    for given, code in (([], 1), ([flag], 0)):
        with serve_faults(registry.host, fault) as proxy:
            (context / "Dockerfile").write_text(f"FROM {proxy.host}/hub/library/base:1\nRUN true\n")
            fresh = Masu(state=tmp_path / f"state{code}")
            done = fresh("build", *given, "-d", f"{proxy.host}/retried/{name}{code}:1", context)
            assert done.returncode == code, done.stderr
            assert ("trying again in 1 s" in done.stderr) is (code == 0)


def test_an_immutable_tag_is_an_error_unless_told_otherwise(registry: RunningRegistry, masu: Masu, tmp_path: Path) -> None:
    said = json.dumps(
        {"errors": [{"code": "TAG_INVALID", "message": "cannot be overwritten because the tag is immutable."}]}
    ).encode()
    base = f"FROM {registry.host}/hub/library/base:1\n"
    first = write_context(tmp_path / "first", f"{base}LABEL a=1\n")
    second = write_context(tmp_path / "second", f"{base}LABEL a=2\n")
    epoch = "--build-arg=SOURCE_DATE_EPOCH=0"
    assert masu("build", epoch, "-d", f"{registry.host}/immutable:1", first).returncode == 0
    with serve_faults(registry.host, Fault(where="^PUT .*/manifests/1", status=400, body=said)) as proxy:
        target = f"--destination={proxy.host}/immutable:1"
        assert masu("build", epoch, target, first).returncode == 0  # it is there already
        refused = masu("build", epoch, target, second)
        assert refused.returncode == 1
        assert "--push-ignore-immutable-tag-errors" in refused.stderr
        done = masu("build", epoch, "--push-ignore-immutable-tag-errors", target, second)
        assert done.returncode == 0, done.stderr
        assert "is immutable and keeps its image" in done.stderr
