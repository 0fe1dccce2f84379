"""Where bases come from and images go, as the command does it: stores, layouts, archives, registries, and their trouble."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import Fault, serve_faults
from tests.support.masu import Masu, add_base, shell, write_context
from tests.support.registry import RunningRegistry, htpasswd, serve_registry

MANIFEST, BLOB = r"GET .*/manifests/", r"GET .*/blobs/"


@pytest.fixture(scope="module")
def masu(tmp_path_factory: pytest.TempPathFactory) -> Masu:
    directory = tmp_path_factory.mktemp("masu")
    masu = Masu(state=directory / "state")
    add_base(masu, directory)
    return masu


@pytest.fixture(scope="module")
def registry(masu: Masu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """With `base:1` in it."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as running:
        context = write_context(tmp_path_factory.mktemp("context"), "FROM base\nRUN echo from-registry > /origin\n")
        assert masu("build", "-d", f"{running.host}/base:1", context).returncode == 0
        yield running


def manifest(registry: RunningRegistry, name: str) -> dict[str, object]:
    raw = shell(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.host}/{name}"])
    document: dict[str, object] = json.loads(raw)
    return document


@pytest.mark.parametrize("kind", ["oci-layout", "docker-archive", "store", "registry"])
def test_a_base_may_come_from_anywhere(masu: Masu, registry: RunningRegistry, tmp_path: Path, kind: str) -> None:
    source = write_context(tmp_path / "source", f"FROM {registry.host}/base:1\nRUN echo {kind} > /kind\n")
    outputs: list[str | Path] = ["--oci-layout-path", tmp_path / "layout", "--tar-path", tmp_path / "image.tar", "-t", "kept:1"]
    done = masu("build", *outputs, "-d", f"{registry.host}/kept:1", source)
    assert done.returncode == 0, done.stderr
    base = {
        "oci-layout": f"oci-layout://{tmp_path}/layout",
        "docker-archive": f"docker-archive:{tmp_path}/image.tar",
        "store": "kept:1",
        "registry": f"{registry.host}/kept:1",
    }[kind]
    done = masu("build", "-t", "top", write_context(tmp_path / "top", f"FROM {base}\nRUN cat /kind /origin > /both\n"))
    assert done.returncode == 0, done.stderr
    assert masu("run", "top", "cat", "/both").stdout == f"{kind}\nfrom-registry\n"


def test_copy_from_an_image_reads_it_without_building_on_it(masu: Masu, registry: RunningRegistry, tmp_path: Path) -> None:
    context = write_context(tmp_path, f"FROM scratch\nCOPY --from={registry.host}/base:1 /origin /bin/busybox /\n")
    assert masu("build", "-t", "copied", context).returncode == 0
    assert masu("run", "copied", "/busybox", "cat", "/origin").stdout == "from-registry\n"


@pytest.mark.parametrize(("version", "prefix"), [("v2s2", "application/vnd.docker."), ("oci", "application/vnd.oci.")])
def test_the_media_types_follow_the_base(
    masu: Masu, registry: RunningRegistry, tmp_path: Path, version: str, prefix: str
) -> None:
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    source, target = f"docker://{registry.host}/base:1", f"docker://{registry.host}/{version}:1"
    shell(["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "--format", version, source, target])
    context = write_context(tmp_path, f"FROM {registry.host}/{version}:1\nCOPY Dockerfile /\n")
    assert masu("build", "-d", f"{registry.host}/on-{version}:1", context).returncode == 0
    built = manifest(registry, f"on-{version}:1")
    types = re.findall(r'"mediaType": "([^"]+)"', json.dumps(built))
    assert len(types) == 5
    assert all(media_type.startswith(prefix) for media_type in types)


def test_one_build_goes_to_several_places(masu: Masu, registry: RunningRegistry, tmp_path: Path) -> None:
    names = [f"{registry.host}/several/{name}" for name in ("a:1", "a:2", "b:1")]
    (tmp_path / "second").mkdir()
    with serve_registry(tmp_path / "second") as second:
        destinations = [f"--destination={name}" for name in (*names, f"{second.host}/c:1")]
        context = write_context(tmp_path / "context", "FROM base\nCOPY Dockerfile /\n")
        done = masu("build", *destinations, "--digest-file", tmp_path / "digest", context)
        assert done.returncode == 0, done.stderr
        found = {str(manifest(registry, name.partition("/")[2])["config"]) for name in names} | {
            str(manifest(second, "c:1")["config"])
        }
    assert len(found) == 1
    assert done.stderr.count((tmp_path / "digest").read_text()) >= 4


def test_base_layers_are_mounted_not_sent_again(masu: Masu, registry: RunningRegistry, tmp_path: Path) -> None:
    with serve_faults(registry.host) as proxy:
        context = write_context(tmp_path, f"FROM {proxy.host}/base:1\nLABEL a=b\n")
        assert masu("build", "-d", f"{proxy.host}/mounted:1", context).returncode == 0
        assert len(proxy.matching("POST .*mount=")) == 2
        assert len(proxy.matching(BLOB)) == 1, "only the config is read: nothing needs the layers"
        assert len(proxy.matching("PUT .*/blobs/uploads/")) == 1, "only the new config is sent"


def test_docker_logins_are_used(masu: Masu, tmp_path: Path) -> None:
    (tmp_path / "registry").mkdir()
    with serve_registry(tmp_path / "registry", auth=htpasswd(tmp_path, {"user": "secret-password"})) as private:
        context = write_context(tmp_path / "context", "FROM base\nCOPY Dockerfile /\n")
        denied = masu("build", "-d", f"{private.host}/x:1", context)
        assert denied.returncode == 1
        assert "401" in denied.stderr
        assert private.host in denied.stderr
        auths = {"auths": {private.host: {"username": "user", "password": "secret-password"}}}
        login = Masu(state=masu.state, env={"DOCKER_AUTH_CONFIG": json.dumps(auths)})
        allowed = login("build", "-v", "debug", "-d", f"{private.host}/x:1", context)
        assert allowed.returncode == 0, allowed.stderr
        assert "secret-password" not in allowed.stderr


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(where=MANIFEST, status=401), ["401"]),
        (Fault(where=MANIFEST, status=403), ["403"]),
        (Fault(where=MANIFEST, status=404), ["404", "manifests/1"]),
        (Fault(where=MANIFEST, status=400), ["400"]),
        (Fault(where=MANIFEST, truncated=100), ["/base"]),
        (Fault(where=MANIFEST, headers={"Content-Type": "application/vnd.example+json"}), ["application/vnd.example+json"]),
        (Fault(where=BLOB, corrupt=20), ["digest"]),
        (Fault(where=BLOB, status=404), ["404"]),
    ],
)
def test_a_registrys_no_is_a_sentence_with_the_line_and_the_url(
    registry: RunningRegistry, tmp_path: Path, fault: Fault, said: list[str]
) -> None:
    masu = Masu(state=tmp_path / "state")
    with serve_faults(registry.host, fault) as proxy:
        done = masu("build", "-t", "x", write_context(tmp_path / "context", f"FROM {proxy.host}/base:1\nRUN true\n"))
        assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
        assert [
            word for word in ["error building image: Dockerfile:1: FROM", proxy.host, *said] if word not in done.stderr
        ] == [], done.stderr
    assert not (tmp_path / "state/store/index.json").exists() or masu("ls").stdout == ""


@pytest.mark.parametrize(
    "fault",
    [
        Fault(where=MANIFEST, times=2, status=503),
        Fault(where=MANIFEST, times=1, status=429, headers={"Retry-After": "0"}),
        Fault(where=BLOB, times=2, reset=1000),
        Fault(where=BLOB, times=1, truncated=1000),
        Fault(where=r"POST .*/uploads/", times=1, status=500),
        Fault(where=r"PUT .*/uploads/", times=1, hang_up=1000),
        Fault(where=r"PUT .*/manifests/", times=1, status=502),
        Fault(where=r"HEAD ", times=1, status=504),
    ],
)
def test_a_passing_fault_is_got_over(registry: RunningRegistry, tmp_path: Path, fault: Fault) -> None:
    with serve_faults(registry.host, fault) as proxy:
        context = write_context(tmp_path / "context", f"FROM {proxy.host}/base:1\nRUN echo {os.urandom(4).hex()} > /x\n")
        done = Masu(state=tmp_path / "state")("build", "-d", f"{proxy.host}/retried:1", context)
        assert done.returncode == 0, done.stderr
    check = Masu(state=tmp_path / "check")
    assert check("pull", f"{registry.host}/retried:1").returncode == 0
    assert check("run", f"{registry.host}/retried:1", "cat", "/origin").stdout == "from-registry\n"
