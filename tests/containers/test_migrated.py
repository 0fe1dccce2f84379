"""What `masu migrate` has made of CI files is run as their platforms do, in masu's image, and pushes what the Dockerfile says."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from steps import ACTION, IMAGE
from steps.migration import rewriting
from steps.migration.changes import applied
from tests.support.busybox import make_root
from tests.support.engine import Engine
from tests.support.masu import write_context
from tests.support.registry import serve_registry

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
FILES = Path(__file__).parents[1] / "steps/migration/files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An engine that knows masu's images by the names that are written into the files, a build context and a registry."""

    engine: Engine
    registry: str
    context: Path

    def migrated(self, name: str, **values: str) -> Any:
        """The file with its variables replaced and its pushes going to our registry, as masu migrate leaves it."""
        text = (FILES / name).read_text()
        for old, new in values.items():
            text = text.replace(old, new)
        text = text.replace("registry.example.com", self.registry).replace("ghcr.io/owner", f"{self.registry}/owner")
        return yaml.safe_load(applied(text, rewriting.of_yaml(text, image="", action=ACTION).edits))

    def run(self, image: str, *words: str, options: tuple[str, ...] = ()) -> None:
        volume = f"--volume={self.context}:/workspace"
        done = self.engine.run(image, *words, options=[volume, *options])
        assert done.code == 0, done.output


@pytest.fixture(scope="module")
def place(engine: Engine, image: str, debug_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("migrated")
    write_context(directory / "context", "FROM scratch\nADD root.tar /\nRUN echo made > /made\n")
    (directory / "context/Dockerfile2").write_text("FROM scratch\nADD root.tar /\n")
    root = make_root(directory / "root")
    subprocess.run(["tar", "-C", root, "-cf", directory / "context/root.tar", "."], check=True)
    for own, name in ((image, f"{IMAGE}:latest"), (debug_image, f"{IMAGE}:debug")):
        assert engine("tag", own, name).code == 0
    (directory / "registry").mkdir()
    with serve_registry(directory / "registry") as registry:
        yield Place(engine=engine, registry=registry.host, context=directory / "context")
    engine("rmi", f"{IMAGE}:latest", f"{IMAGE}:debug")


def gitlab(place: Place) -> str:
    """The job's script, as the runner hands it to the shell that it starts."""
    job = place.migrated("gitlab/literal.yml")["build"]
    variables = (f"--env=CI_REGISTRY_IMAGE={place.registry}/gitlab", "--env=CI_PROJECT_DIR=/workspace", "--entrypoint=sh")
    place.run(job["image"]["name"], "-ec", job["script"], options=variables)
    return "gitlab:latest"


def cloud_build(place: Place) -> str:
    step = place.migrated("cloudbuild/flow.yaml", **{"gcr.io/$PROJECT_ID": f"{place.registry}/project"})["steps"][0]
    place.run(step["name"], *step["args"])
    return "project/a:latest"


def cloud_build_shell(place: Place) -> str:
    """Both images of the script; `$$` is how Cloud Build's files write a dollar."""
    names = {"gcr.io/$PROJECT_ID": f"{place.registry}/shell", "$SHORT_SHA": "abc", "$$": "$", "/workspace/$service": "/workspace"}
    step = place.migrated("cloudbuild/debug-shell.yaml", **names)["steps"][0]
    place.run(step["name"], *step["args"], options=(f"--entrypoint={step['entrypoint']}",))
    return "shell/web:abc"


def pod(place: Place) -> str:
    container = place.migrated("kubernetes/command.yaml")["spec"]["containers"][0]
    program, shells = container["command"]
    place.run(container["image"], shells, *container["args"], options=(f"--entrypoint={program}",))
    return "app:latest"


def job(place: Place) -> str:
    container = place.migrated("kubernetes/job.yaml")["spec"]["template"]["spec"]["containers"][0]
    digest = next(word for word in container["args"] if word.startswith("--digest-file"))
    words = [word for word in container["args"] if word != digest]  # docker gives no /dev/termination-log
    place.run(container["image"], *words)
    return "app:latest"


def tekton(place: Place) -> str:
    """Tekton puts the script into a file and replaces its own variables."""
    names = {"$(params.image)": f"{place.registry}/tekton", "$(workspaces.source.path)": "/workspace"}
    step = place.migrated("tekton/script.yaml", **names)["spec"]["steps"][0]
    script = place.context.parent / "script"
    script.write_text(step["script"])
    script.chmod(0o755)
    place.run(step["image"], options=(f"--volume={script}:/script:ro", "--entrypoint=/script"))
    return "tekton:latest"


def github(place: Place) -> str:
    """The workflow's own `docker run`, by the shell as the runner starts it."""
    text = place.migrated("github/docker-run.yml", **{"${{ github.sha }}": "abc", "docker run": "docker run --network=host"})
    command = text["jobs"]["build"]["steps"][1]["run"].replace("docker", " ".join(place.engine.argv()), 1)
    env = {**place.engine.env(), "GITHUB_WORKSPACE": str(place.context), "HOME": str(place.context.parent)}
    done = subprocess.run(["bash", "-e", "-c", command], env=env, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return "owner/app:abc"


PLATFORMS = (gitlab, cloud_build, cloud_build_shell, pod, job, tekton, github)


@pytest.mark.parametrize("platform", PLATFORMS, ids=[platform.__name__ for platform in PLATFORMS])
def test_what_a_migrated_file_runs_pushes_the_image(platform: Callable[[Place], str], place: Place) -> None:
    repository, _, tag = platform(place).partition(":")
    url = f"http://{place.registry}/v2/{repository}/manifests/{tag}"
    manifest = requests.get(url, headers={"Accept": _MANIFEST}, timeout=30)
    assert manifest.status_code == 200
    assert len(manifest.json()["layers"]) in (1, 2)  # the second Dockerfile and --single-snapshot make one


def test_the_migrated_warmer_puts_base_images_into_its_directory(place: Place) -> None:
    steps = place.migrated("cloudbuild/warmer.yaml", **{"gcr.io/distroless/static-debian12": f"{place.registry}/base"})["steps"]
    place.run(f"{IMAGE}:latest", f"--destination={place.registry}/base")
    place.run(steps[0]["name"], *steps[0]["args"])
    assert (place.context / "cache/index.json").is_file()


def test_the_image_itself_migrates(place: Place) -> None:
    file = place.context / "ci.yml"
    file.write_text("a: {image: {name: 'gcr.io/kaniko-project/executor:debug'}, script: /kaniko/executor --force -d x}\n")
    place.run(f"{IMAGE}:latest", "migrate", "--write", "/workspace/ci.yml")
    assert file.read_text() == f"a: {{image: {{name: '{IMAGE}:debug'}}, script: /kaniko/executor -d x}}\n"
