"""What masu writes is read by the tools of others: skopeo, umoci, docker, podman and buildah."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bases import Bases
from tests.support.cases import Case
from tests.support.masu import Masu, shell
from tests.support.oracle import Docker, build_arguments, context_of
from tests.support.registry import serve_registry

CASE = Case(
    group="consumers",
    name="a little of everything",
    sections={
        "context": "mkdir d; echo one > d/one; ln d/one d/two; ln -s one d/link; chmod 4755 d/one",
        "Dockerfile": """\
FROM @BUSYBOX@
COPY --chown=app:staff d /d
RUN rm -r /data/dir && mkdir /data/dir && echo only > /data/dir/only && rm /data/file
ENV GREETING=hello
LABEL a=b
USER app
WORKDIR /d
CMD ["sh", "-c", "echo $GREETING from $(pwd) as $(id -un):; cat one two link; ls /data/dir; test ! -e /data/file"]
""",
    },
)
CHECK = 'RUN test "$GREETING" = hello && test -u /d/one && ! test -e /data/file'
SAYS = "hello from /d as app:\none\none\none\nonly\n"

pytestmark = pytest.mark.oracle


def need(tool: str) -> str:
    if not shutil.which(tool):
        pytest.skip(f"{tool} is not installed")
    return tool


@pytest.fixture(scope="module")
def written(docker: Docker, bases: Bases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The directory with `layout` and `image.tar` of the image, and its name in a registry."""
    directory = tmp_path_factory.mktemp("consumers")
    (directory / "registry").mkdir()
    with serve_registry(directory / "registry") as registry, context_of(CASE, bases) as case:
        name = f"{registry.host}/built:1"
        outputs: list[str | Path] = ["--oci-layout-path", directory / "layout", "--tar-path", directory / "image.tar"]
        registries = [f"--insecure-registry={bases.registry}", f"--insecure-registry={registry.host}"]
        masu = Masu(state=directory / "state")
        done = masu("build", "-d", name, *outputs, *registries, *build_arguments(CASE, bases, case))
        assert done.returncode == 0, done.stdout + done.stderr
        yield directory, name


def test_skopeo_inspects_and_copies_the_layout(written: tuple[Path, str], tmp_path: Path) -> None:
    directory, _ = written
    facts = json.loads(shell([need("skopeo"), "inspect", f"oci:{directory}/layout"]))
    assert facts["Labels"] == {"a": "b"}
    assert len(facts["Layers"]) == 5
    shell(["skopeo", "copy", f"oci:{directory}/layout", f"docker-archive:{tmp_path}/copied.tar:copied:1"])


def test_skopeo_inspects_the_pushed_image_as_the_same(written: tuple[Path, str]) -> None:
    directory, name = written
    pushed = shell([need("skopeo"), "inspect", "--raw", "--tls-verify=false", f"docker://{name}"])
    assert json.loads(pushed) == json.loads(shell(["skopeo", "inspect", "--raw", f"oci:{directory}/layout"]))


def test_skopeo_reads_the_tarball(written: tuple[Path, str]) -> None:
    directory, _ = written
    assert json.loads(shell([need("skopeo"), "inspect", f"docker-archive:{directory}/image.tar"]))["Labels"] == {"a": "b"}


def test_umoci_unpacks_the_layout(written: tuple[Path, str], tmp_path: Path) -> None:
    directory, _ = written
    shell([need("skopeo"), "copy", f"oci:{directory}/layout", f"oci:{tmp_path}/tagged:latest"])
    shell([need("umoci"), "unpack", "--image", f"{tmp_path}/tagged:latest", tmp_path / "bundle"])
    root = tmp_path / "bundle/rootfs"
    assert (root / "d/one").stat().st_ino == (root / "d/two").stat().st_ino
    assert ((root / "d/one").stat().st_uid, (root / "d/one").stat().st_gid) == (1000, 50)
    assert sorted(path.name for path in (root / "data/dir").iterdir()) == ["only"]
    assert not (root / "data/file").exists()


def test_docker_loads_and_runs_the_tarball(written: tuple[Path, str], docker: Docker) -> None:
    directory, name = written
    loaded = docker.run("load", "--input", str(directory / "image.tar"))
    assert loaded.returncode == 0, loaded.stdout
    assert name in loaded.stdout
    assert docker.run("run", "--rm", "--network=none", name).stdout == SAYS
    docker.run("image", "rm", "--force", name)


def test_docker_pulls_and_runs_the_pushed_image(written: tuple[Path, str], docker: Docker) -> None:
    _, name = written
    pulled = docker.run("pull", "--quiet", name)
    assert pulled.returncode == 0, pulled.stdout
    assert docker.run("run", "--rm", "--network=none", name).stdout == SAYS
    docker.run("image", "rm", "--force", name)


@pytest.mark.parametrize("tool", ["podman", "buildah"])
def test_podman_and_buildah_pull_the_pushed_image(written: tuple[Path, str], tmp_path: Path, tool: str) -> None:
    _, name = written
    with tempfile.TemporaryDirectory(dir="/tmp") as run_root:  # podman takes 50 characters at most
        storage: list[str | Path] = ["--root", tmp_path / "root", "--runroot", run_root, "--storage-driver", "vfs"]
        shell([need(tool), *storage, "pull", "--quiet", "--tls-verify=false", name])
        facts = json.loads(shell([tool, *storage, "inspect", "--type=image", name]))
    config = facts[0]["Config"] if tool == "podman" else facts["OCIv1"]["config"]
    assert (config["User"], config["WorkingDir"], config["Labels"]) == ("app", "/d", {"a": "b"})


def test_docker_builds_on_the_pushed_image(written: tuple[Path, str], docker: Docker, tmp_path: Path) -> None:
    _, name = written
    (tmp_path / "Dockerfile").write_text(f"FROM {name}\n{CHECK}\n")
    tag = f"oracle-{uuid.uuid4().hex}"
    done = docker.run("buildx", "build", "--network=host", "--no-cache", "-t", tag, str(tmp_path))
    docker.run("image", "rm", "--force", tag)
    assert done.returncode == 0, done.stdout


def test_masu_builds_on_what_it_pushed(written: tuple[Path, str], tmp_path: Path) -> None:
    _, name = written
    (tmp_path / "Dockerfile").write_text(f"FROM {name}\n{CHECK}\n")
    done = Masu(state=tmp_path / "state")("build", "--no-push", f"--insecure-registry={name.partition('/')[0]}", tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_layout_of_an_image_is_valid_for_umoci(written: tuple[Path, str], tmp_path: Path) -> None:
    directory, _ = written
    subprocess.run(["cp", "-r", directory / "layout", tmp_path / "layout"], check=True)
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert index["schemaVersion"] == 2
    (manifest,) = index["manifests"]
    shell([need("umoci"), "gc", "--layout", tmp_path / "layout"])
    assert (tmp_path / "layout/blobs/sha256" / manifest["digest"].removeprefix("sha256:")).exists()
