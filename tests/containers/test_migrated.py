"""What `masu migrate` has made of CI files is run as their platforms do, in masu's image, and pushes what the Dockerfile says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from steps import IMAGE
from tests.support import migrated
from tests.support.engine import Engine
from tests.support.migration_site import Place, open_place

EXPECTED = Path(__file__).parents[1] / "steps/migration/expected"
"""What migrate writes: tests/steps/migration/test_files.py sees to that."""
FILES = sorted(str(path.relative_to(EXPECTED)) for path in EXPECTED.rglob("*") if path.is_file() and path.suffix != ".notes")
RUNNERS: Mapping[str, Callable[[Place, str, Mapping[str, str], Path], None]] = {
    "cloudbuild": migrated.cloud_build,
    "github": migrated.github,
    "gitlab": migrated.gitlab,
    "jenkins": migrated.jenkins,
    "kubernetes": migrated.kubernetes,
    "tekton": migrated.tekton,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`pushes` are the images that are in the registry afterwards; a cache has no tag here.

    `values` are what the platform or its user would say: substitutions, variables, expressions, parameters. `platforms` are the
    images' architectures if they aren't all this machine's: nothing can be run in them then. `files` are in each image.
    """

    pushes: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    platforms: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset({"bin/busybox", "made"})


PROJECT, GROUP = "my-project", "group/project"
APP, OWNER = f"{PROJECT}/app:latest", "owner/app:latest"
BOTH = frozenset({"amd64", "arm64"})
BUSYBOX = frozenset({"bin/busybox"})
CASES = {
    "cloudbuild/bucket.yaml": Case(pushes=(APP,)),
    "cloudbuild/build.json": Case(pushes=(APP, f"{PROJECT}/app/cache")),
    "cloudbuild/debug-shell.yaml": Case(pushes=(f"{PROJECT}/api:5eed1e5", f"{PROJECT}/web:5eed1e5")),
    "cloudbuild/digest.yaml": Case(pushes=(f"{PROJECT}/app:5eed1e5" + "0" * 33,)),
    "cloudbuild/docker-run.yaml": Case(pushes=(APP,)),
    "cloudbuild/flow.yaml": Case(pushes=(f"{PROJECT}/a:latest",)),
    "cloudbuild/plain.yaml": Case(pushes=(APP, f"{PROJECT}/app/cache")),
    "cloudbuild/substituted.yaml": Case(pushes=(APP,)),
    "cloudbuild/two-spaces.yaml": Case(pushes=(f"{PROJECT}/apps/app:5eed1e5",)),
    "cloudbuild/version.yaml": Case(pushes=(f"{PROJECT}/app:5eed1e5", f"{PROJECT}/app/cache", f"{PROJECT}/api:latest")),
    "cloudbuild/warmer.yaml": Case(pushes=(APP, f"{PROJECT}/app/cache")),
    "github/aevea.yml": Case(pushes=tuple(f"octo/app/owner/{name}" for name in ("app:v1", "app:latest", "cache"))),
    "github/container-short.yml": Case(pushes=(OWNER,)),
    "github/container.yml": Case(pushes=(OWNER,)),
    "github/docker-run.yml": Case(pushes=("owner/app:5eed1e5",)),
    "github/docker-uses.yml": Case(pushes=(OWNER,)),
    "github/env-image.yml": Case(pushes=()),
    "github/images.yml": Case(
        pushes=tuple(f"owner/{name}" for name in ("api:5eed1e5", "api/cache", "web:5eed1e5", "web/cache", "digest:latest"))
    ),
    "github/int128-pinned.yml": Case(pushes=(OWNER, "owner/app:5eed1e5")),
    "github/int128.yml": Case(pushes=(OWNER, "owner/app/cache")),
    "github/matrix.yml": Case(pushes=("owner/app:amd64", "owner/app:arm64"), platforms=BOTH, files=BUSYBOX),
    "gitlab/anchors.yml": Case(pushes=(f"{GROUP}/api:latest", f"{GROUP}/web:latest")),
    "gitlab/auth-echo.yml": Case(pushes=(f"{GROUP}:5eed1e55", f"{GROUP}/cache")),
    "gitlab/certificates.yml": Case(pushes=("a:latest",)),
    "gitlab/component.yml": Case(pushes=(f"{GROUP}:latest",)),
    "gitlab/docs.yml": Case(pushes=(f"{GROUP}:v1.0",)),
    "gitlab/extends.yml": Case(pushes=()),
    "gitlab/folded.yml": Case(pushes=(f"{GROUP}:latest",)),
    "gitlab/literal.yml": Case(pushes=(f"{GROUP}:v1.0",)),
    "gitlab/matrix.yml": Case(pushes=(f"{GROUP}:amd64", f"{GROUP}:arm64"), platforms=BOTH, files=BUSYBOX),
    "gitlab/nested.yml": Case(pushes=(*(f"{GROUP}{name}:latest" for name in ("", "/b", "/c", "/d")), f"{GROUP}:1", f"{GROUP}:2")),
    "gitlab/reference.yml": Case(
        pushes=(*(f"{GROUP}/{name}:{tag}" for name in ("api", "web") for tag in ("5eed1e55", "v1.0")), f"{GROUP}/cache")
    ),
    "gitlab/two-builds.yml": Case(pushes=(f"{GROUP}/a:latest", f"{GROUP}/b:latest")),
    "gitlab/variables.yml": Case(pushes=(f"{GROUP}:latest", f"{GROUP}/cache")),
    "gitlab/windows.yml": Case(pushes=(f"{GROUP}:latest",)),
    "jenkins/Jenkinsfile": Case(pushes=("app:17", "app:latest")),
    "kubernetes/argo.yaml": Case(pushes=("app:1.0",), values={"tag": "1.0"}),
    "kubernetes/argo-template.yaml": Case(pushes=("app:1.0",)),
    "kubernetes/classic.yaml": Case(pushes=("project/app:latest",)),
    "kubernetes/command.yaml": Case(pushes=("app:latest", "app2:latest")),
    "kubernetes/documents.yaml": Case(pushes=("api:latest", "web:latest", "app:latest")),
    "kubernetes/git.yaml": Case(pushes=(OWNER,)),
    "kubernetes/jenkins.yaml": Case(
        pushes=("app:latest",), values={"sh": "/kaniko/executor --context $WORKSPACE --destination registry.example.com/app"}
    ),
    "kubernetes/job.yaml": Case(pushes=("app:latest",)),
    "kubernetes/several.yaml": Case(pushes=("app:latest",), files=BUSYBOX),
    "kubernetes/warmer-pod.yaml": Case(pushes=()),
    "kubernetes/warmer.yaml": Case(pushes=()),
    "tekton/catalog.yaml": Case(pushes=("app:latest",), values={"IMAGE": "ghcr.io/app"}),
    "tekton/embedded.yaml": Case(pushes=("app:latest", "app-2:latest"), values={"image": "registry.example.com/app"}),
    "tekton/pipeline.yaml": Case(pushes=("app:latest",), values={"image": "ghcr.io/app"}),
    "tekton/resolver.yaml": Case(pushes=("app:latest",)),
    "tekton/script.yaml": Case(pushes=("app:latest",), values={"image": "registry.example.com/app"}),
    "tekton/taskspec.yaml": Case(pushes=("app:latest",)),
    "tekton/v1beta1.yaml": Case(pushes=("app:latest",), values={"image": "registry.example.com/app"}),
}
NOT_RUN = {
    "github/other-action.yml": "an action that migrate doesn't know is left to the user: nothing of masu's is in the file",
    "gitlab/unknown.yml": "flags that masu hasn't: they are left to the user, and fail until then",
    "kubernetes/nothing.yaml": "nothing of Kaniko's was in it",
}


@pytest.fixture(scope="module")
def place(engine: Engine, image: str, debug_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(engine, tmp_path_factory.mktemp("migrated"), image=image, debug_image=debug_image) as opened:
        yield opened


def test_every_file_is_run_or_said_not_to_be() -> None:
    assert sorted([*CASES, *NOT_RUN]) == FILES
    left = {name for name in FILES if "TO DO" in (EXPECTED / name).with_suffix(".notes").read_text()}
    assert {name for name in NOT_RUN if name not in left} == {"kubernetes/nothing.yaml"}


@pytest.mark.parametrize("name", CASES)
def test_what_a_migrated_file_runs_pushes_the_images(name: str, place: Place, tmp_path: Path) -> None:
    case = CASES[name]
    place.forget()
    text = place.named((EXPECTED / name).read_bytes().decode())
    used = place.without_run(tmp_path / "source") if case.platforms else place
    (tmp_path / "run").mkdir()
    RUNNERS[name.partition("/")[0]](used, text, case.values, tmp_path / "run")
    assert place.pushed() == set(case.pushes)
    images = [place.image(pushed) for pushed in case.pushes if ":" in pushed]
    assert all(image.names >= case.files for image in images)
    assert not case.platforms or {image.config["architecture"] for image in images} == case.platforms


def test_the_image_itself_migrates(engine: Engine, image: str, tmp_path: Path) -> None:
    file = tmp_path / "ci.yml"
    file.write_text("a: {image: {name: 'gcr.io/kaniko-project/executor:debug'}, script: /kaniko/executor --force -d x}\n")
    done = engine.run(image, "migrate", "--write", "/workspace/ci.yml", options=[f"--volume={tmp_path}:/workspace"])
    assert done.code == 0, done.output
    assert file.read_text() == f"a: {{image: {{name: '{IMAGE}:debug'}}, script: /kaniko/executor -d x}}\n"
