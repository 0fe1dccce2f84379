"""Cached layers that are there when they are looked up, and can't be had when they are needed: the build goes on without them."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import Fault, FaultyProxy, serve_faults
from tests.support.masu import Masu, write_context
from tests.support.registry import RunningRegistry

DOCKERFILE = """\
FROM base AS tools
RUN echo 1 > /one
RUN echo 2 > /two
FROM base
COPY --from=tools /two /two
RUN echo three > /three
RUN cat /two /three > /both
"""
MORE = "RUN cat /both > /more\n"
TAGS = "--cache --cache-copy-layers --cache-repo="
PLACES = {
    "tags in a registry": (f"{TAGS}{{host}}/tags", f"{TAGS}{{host}}/tags"),
    "tags in a directory": (f"{TAGS}oci:{{at}}", f"{TAGS}oci:{{at}}"),
    "a list in a registry": ("--cache-to=type=registry,mode=max,ref={host}/list:1", "--cache-from={host}/list:1"),
    "a list in a directory": ("--cache-to=type=local,mode=max,dest={at}", "--cache-from=type=local,src={at}"),
    "an image": ("--cache-to=type=inline --push -t {host}/image:1", "--cache-from={host}/image:1"),
}
HARMS = {"gone": {"status": 404}, "denied": {"status": 401}, "other bytes": {"corrupt": 100}}


@pytest.fixture(scope="module")
def proxy(registry: RunningRegistry) -> Iterator[FaultyProxy]:
    with serve_faults(registry.host) as served:
        yield served


class Project:
    """What two machines build; `at` is a directory for a cache, `host` a registry for one."""

    def __init__(self, directory: Path, proxy: FaultyProxy) -> None:
        proxy.misbehave()
        self.proxy, self.at, self.image = proxy, directory / "cache", directory / "image"
        self.context = write_context(directory / "context", DOCKERFILE)

    def flags(self, text: str) -> list[str]:
        return text.format(host=self.proxy.host, at=self.at).split()

    def build(self, masu: Masu, *flags: str | Path) -> str:
        done = masu("build", "--reproducible", "--oci-layout-path", self.image, *flags, self.context)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def go_on(self) -> None:
        (self.context / "Dockerfile").write_text(DOCKERFILE + MORE)

    def digest(self) -> str:
        """Of the image that was built last."""
        text: str = json.loads((self.image / "index.json").read_text())["manifests"][0]["digest"]
        return text

    def layers(self) -> list[str]:
        manifest = json.loads((self.image / "blobs" / self.digest().replace(":", "/")).read_text())
        return [layer["digest"] for layer in manifest["layers"]]

    def harm(self, layer: str, how: str = "other bytes") -> None:
        """From now on it is told of, and can't be had."""
        self.proxy.misbehave(Fault(where=f"^GET /v2/.*/blobs/{layer}", **HARMS[how]))  # type: ignore[arg-type]
        path = self.at / "blobs" / layer.replace(":", "/")
        if path.exists():
            path.write_bytes(b"x" * path.stat().st_size)


@pytest.fixture
def project(tmp_path: Path, proxy: FaultyProxy) -> Project:
    return Project(tmp_path, proxy)


def missed(log: str) -> list[str]:
    """After the build has begun for the last time."""
    return re.findall(r"No cached layer found for cmd (RUN echo \w+|\w+ [^ ]+)", log.rpartition("begins again")[2])


@pytest.mark.parametrize("place", PLACES)
def test_a_step_whose_layer_is_lost_is_carried_out(place: str, project: Project, stocked: Masu, other: Masu) -> None:
    fill, use = map(project.flags, PLACES[place])
    project.build(stocked, *fill)
    project.harm(project.layers()[-2])
    project.go_on()
    log = project.build(other, *use, "--no-push")
    assert log.count("the build begins again without it") == 1
    assert missed(log)[0] == "RUN echo three"
    assert len(missed(log)) <= 2, "the step, and the new one unless it was carried out before the layer was missed"
    found = project.digest()
    project.build(stocked, "--no-push")
    assert found == project.digest()


@pytest.mark.parametrize("how", HARMS)
def test_what_cannot_be_pushed_is_made(how: str, project: Project, stocked: Masu, other: Masu, registry: RunningRegistry) -> None:
    name = how.replace(" ", "-")
    cache = project.flags(f"{TAGS}{{host}}/{name}")
    project.build(stocked, *cache, "--no-push")
    project.harm(project.layers()[-1], how)
    pushed = f"{registry.host}/pushed/{name}:1"  # another registry, as its name tells: nothing is mounted
    done = other("build", "--reproducible", *cache, "-d", pushed, project.context)
    assert done.returncode == 0, done.stderr
    assert missed(done.stderr) == ["RUN cat"]
    assert other("pull", pushed).returncode == 0


def test_nothing_incomplete_is_written_to_standard_output(project: Project, stocked: Masu, other: Masu) -> None:
    fill, use = map(project.flags, PLACES["tags in a directory"])
    project.build(stocked, *fill, "--no-push")
    project.harm(project.layers()[-1])
    argv = other.argv("build", "--reproducible", *use, "--output=type=oci,dest=-", project.context)
    with other.start(*argv[3:]) as running:
        out, log = running.communicate()
    assert b"begins again without it" in log
    with tarfile.open(fileobj=io.BytesIO(out)) as archive:
        assert archive.getnames().count("index.json") == 1


def test_a_list_is_written_without_a_lost_layer_that_nobody_needs(
    project: Project, stocked: Masu, other: Masu, tmp_path: Path
) -> None:
    fill, use = map(project.flags, PLACES["a list in a directory"])
    project.build(stocked, *fill, "--no-push")
    index = json.loads((project.at / "index.json").read_text())
    manifest = json.loads((project.at / "blobs" / index["manifests"][0]["digest"].replace(":", "/")).read_text())
    (lost, *_) = [layer["digest"] for layer in manifest["layers"] if layer["digest"] not in project.layers()]
    project.harm(lost)
    log = project.build(other, *use, "--no-push", f"--cache-to=type=local,mode=max,dest={tmp_path}/new")
    assert (log.count("is written without a layer"), "begins again" in log, missed(log)) == (1, False, [])
    log = project.build(other, "--no-push", f"--cache-from=type=local,src={tmp_path}/new")
    assert missed(log) == []
