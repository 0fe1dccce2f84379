"""Pipelines with the component and in Kaniko's words, run by gitlab-ci-local; the README's own are among them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.gitlab_local import Local, local_runner
from tests.support.gitlab_rules import read_dotenv
from tests.support.gitlab_site import USERS, GitLab, open_gitlab
from tests.support.masu import Masu, write_context
from tests.support.same import Remote, unlike
from tests.support.shared import REPOSITORY
from tests.support.site import EPOCH

PLUGIN, EXAMPLES = REPOSITORY / "plugins/gitlab", REPOSITORY / "examples/gitlab"
STEP_IMAGE = "registry.example.org/masu:debug"
DOCKERFILE = """ARG BASE
FROM ${BASE} AS base
ARG GREETING
LABEL greeting="${GREETING}"
COPY --chmod=755 file /file
RUN echo made > /made
"""


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitLab]:
    with open_gitlab(tmp_path_factory.mktemp("gitlab")) as opened:
        yield opened


def blocks(path: Path, after: str) -> list[str]:
    """The fenced YAML of this file behind a heading, in its order."""
    return re.findall(r"```yaml\n(.*?)```", path.read_text().partition(f"{after}\n")[2], re.DOTALL)


def pipeline(text: str, image: str) -> str:
    """As it can run without GitLab: the component is a file of the project, images are those of this machine."""
    text = re.sub(r"component: \S+", "local: /templates/build/template.yml", text)
    text = text.replace(STEP_IMAGE, image).replace("$CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX/alpine:3", image)
    return text if "image:" in text else f"default: {{image: {{name: {image}, entrypoint: ['']}}}}\n{text}"


def project(directory: Path, ci: str, image: str, dockerfile: str = DOCKERFILE) -> Path:
    write_context(directory, dockerfile, {"file": "x", ".gitlab-ci.yml": ci, ".gitignore": ".gitlab-ci-local\n.masu\n"})
    shutil.copytree(PLUGIN / "templates", directory / "templates")
    template = directory / "templates/build/template.yml"
    template.write_text(template.read_text().replace(STEP_IMAGE, image))
    return directory


def run(local: Local, gitlab: GitLab, name: str, *jobs: str) -> str:
    done = local(*jobs, variables=gitlab.variables(name))
    assert done.code == 0, done.output
    assert not any(token in done.output for token in USERS.values())
    return done.output


HOSTILE = r"""  $$(touch /pwned) `id` "quoted" 'single' $$HOME ; exit 1 # \n"""
COMPONENT = """
include:
  - local: /templates/build/template.yml
    inputs:
      destination: |
        $CI_REGISTRY_IMAGE:1
        $CI_REGISTRY_IMAGE:latest
      build-arg: |
        BASE=$CI_DEPENDENCY_PROXY_GROUP_IMAGE_PREFIX/busybox:1
        GREETING={greeting}
        SOURCE_DATE_EPOCH=1000000000
"""


def test_the_component_pushes_what_masu_builds_elsewhere(
    engine: Engine, debug_image: str, gitlab: GitLab, tmp_path: Path
) -> None:
    ci = COMPONENT.format(greeting=HOSTILE.strip())
    local = local_runner(engine, project(tmp_path / "project", ci, debug_image), tmp_path / "local")
    run(local, gitlab, "component", "build-image")
    dotenv = read_dotenv((tmp_path / "project/.masu/build.env").read_text())
    pushed = gitlab.pushed("component")
    assert dotenv["IMAGE_REF"] == f"{gitlab.registry.host}/group/component@{pushed.digest()}"
    expected = gitlab.pushed("expected")
    masu = Masu(state=tmp_path / "state", env=gitlab.variables("x"))
    greeting = HOSTILE.strip().replace("$$", "$")
    base = f"BASE={gitlab.proxy.host}/group/dependency_proxy/containers/busybox:1"
    words = (EPOCH, f"--build-arg={base}", f"--build-arg=GREETING={greeting}", "--git-modes", "--dockerfile", "Dockerfile")
    done = masu("build", *words, "-d", f"{gitlab.registry.host}/group/expected:1", tmp_path / "project", cwd=tmp_path / "project")
    assert done.returncode == 0, done.stderr
    assert unlike(expected, pushed) == ""


@pytest.mark.parametrize(
    "text",
    [(EXAMPLES / "kaniko-style.gitlab-ci.yml").read_text(), blocks(PLUGIN / "README.md", "## Quick start")[2]],
    ids=["example", "readme"],
)
def test_a_pipeline_in_kanikos_words_works(text: str, engine: Engine, debug_image: str, gitlab: GitLab, tmp_path: Path) -> None:
    base = f"FROM {gitlab.proxy.host}/group/dependency_proxy/containers/busybox:1\nRUN echo made > /made\n"
    local = local_runner(
        engine, project(tmp_path / "project", pipeline(text, debug_image), debug_image, base), tmp_path / "local"
    )
    output = run(local, gitlab, tmp_path.name, "build")
    [tag] = tags(gitlab, tmp_path.name)
    assert Remote(host=gitlab.open_registry.host, repository=f"group/{tmp_path.name}", tag=tag).digest() in output


@pytest.mark.parametrize(
    "text",
    [(EXAMPLES / "component.gitlab-ci.yml").read_text(), blocks(PLUGIN / "README.md", "## Quick start")[0]],
    ids=["example", "readme"],
)
def test_a_later_job_gets_the_digest_of_what_was_pushed(
    text: str, engine: Engine, debug_image: str, gitlab: GitLab, tmp_path: Path
) -> None:
    local = local_runner(
        engine,
        project(tmp_path / "project", pipeline(text, debug_image), debug_image, "FROM scratch\nCOPY file /\n"),
        tmp_path / "local",
    )
    output = run(local, gitlab, tmp_path.name)
    digests = {
        Remote(host=gitlab.open_registry.host, repository=f"group/{tmp_path.name}", tag=tag).digest()
        for tag in tags(gitlab, tmp_path.name)
    }
    assert len(digests) == 1
    assert f"deploying {gitlab.registry.host}/group/{tmp_path.name}@{digests.pop()}" in output


def test_the_projects_readme_brings_a_new_user_to_a_pushed_image(
    engine: Engine, debug_image: str, gitlab: GitLab, tmp_path: Path
) -> None:
    text = pipeline(blocks(REPOSITORY / "README.md", "### GitLab CI")[0], debug_image)
    dockerfile = "FROM scratch\nCOPY file /\n"
    local = local_runner(engine, project(tmp_path / "project", text, debug_image, dockerfile), tmp_path / "local")
    run(local, gitlab, tmp_path.name)
    assert len(tags(gitlab, tmp_path.name)) == 1


def tags(gitlab: GitLab, name: str) -> list[str]:
    directory = gitlab.registry.directory / f"data/docker/registry/v2/repositories/group/{name}/_manifests/tags"
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    "path", [*sorted(EXAMPLES.glob("[!ck]*.yml")), EXAMPLES / "clouds.gitlab-ci.yml"], ids=lambda path: path.name
)
def test_the_other_examples_are_pipelines(path: Path, engine: Engine, debug_image: str, tmp_path: Path) -> None:
    local = local_runner(
        engine, project(tmp_path / "project", pipeline(path.read_text(), debug_image), debug_image), tmp_path / "local"
    )
    done = local("--list", variables={"CI_PIPELINE_SOURCE": "push"})
    assert done.code == 0, done.output
