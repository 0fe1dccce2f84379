"""The files that platforms read are valid by the platforms' own schemas, and name what there is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import pytest
import yaml

from tests.support import validators
from tests.support.shared import REPOSITORY

CLOUDBUILD = REPOSITORY / "cloudbuild.yaml"

# Which validator reads which files: the first row that fits counts. A file for a platform that fits none fails.
VALIDATORS: tuple[tuple[str, str], ...] = (
    ("cloudbuild*.yaml", "cloud_build"),
    ("examples/cloudbuild/**/*.yaml", "cloud_build"),
    ("**/action.y*ml", "github_action"),
    (".github/workflows/*.y*ml", "github_workflow"),
    ("examples/github-actions/**/*.y*ml", "github_workflow"),
    (".gitlab-ci.yml", "gitlab"),
    ("plugins/gitlab/**/*.yml", "gitlab"),
    ("examples/gitlab/**/*.yml", "gitlab"),
    ("examples/kubernetes/**/*.yaml", "manifests"),
    ("examples/tekton/**/*.yaml", "manifests"),
    ("examples/argo/**/*.yaml", "manifests"),
    ("examples/jenkins/**/*.yaml", "manifests"),
    ("**/Jenkinsfile*", "jenkinsfile"),
    ("**/*.dockerignore", "nothing"),
    ("**/Dockerfile*", "dockerfile"),
    ("**/*.json", "json"),
    ("mkdocs.yml", "nothing"),  # tests/test_docs.py builds the site
    (".hadolint.yaml", "nothing"),  # hadolint reads it
)
_PLACES = (".", ".github", ".gitlab", "plugins", "examples", "steps", "templates")
_NAMES = re.compile(r".*\.(ya?ml|json|dockerignore)|Dockerfile.*|Jenkinsfile.*")


def platform_files() -> list[Path]:
    """All files that somebody else's program reads, relative to the repository; test data is not among them."""
    return sorted(set(_found()))


def _found() -> Iterator[Path]:
    for place in _PLACES:
        directory = REPOSITORY / place
        for file in directory.iterdir() if place == "." else directory.rglob("*"):
            if file.is_file() and _NAMES.fullmatch(file.name):
                yield file.relative_to(REPOSITORY)


def kind_of(file: Path) -> str:
    """The validator's name; "" if none is for this file."""
    return next((kind for pattern, kind in VALIDATORS if _fits(file, pattern)), "")


def _fits(file: Path, pattern: str) -> bool:
    translated = re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    return re.fullmatch(translated, PurePosixPath(file).as_posix()) is not None


@pytest.mark.parametrize("file", platform_files(), ids=str)
def test_a_file_for_a_platform_is_valid_by_the_rules_of_its_readers(file: Path, tmp_path: Path) -> None:
    check: dict[str, Callable[[Path], list[str]]] = {
        "cloud_build": validators.cloud_build,
        "github_action": validators.github_action,
        "github_workflow": validators.github_workflow,
        "gitlab": partial(validators.gitlab, scratch=tmp_path),
        "manifests": validators.manifests,
        "jenkinsfile": validators.jenkinsfile,
        "dockerfile": validators.dockerfile,
        "json": lambda path: [] if json.loads(path.read_text()) is not None else ["null"],
        "nothing": lambda path: [],
    }
    kind = kind_of(file)
    assert kind, f"{file}: add a row to VALIDATORS that says who checks it"
    assert check[kind](REPOSITORY / file) == []


# A wrong file of each kind, and a word of the complaint about it: a validator that takes everything proves nothing.
WRONG: tuple[tuple[str, str, str], ...] = (
    ("cloudbuild.yaml", "steps: [{name: x, arguments: [a]}]", "arguments"),
    ("examples/cloudbuild/a.yaml", "steps: [{name: x}]\noptions: {machineTypo: x}", "machineTypo"),
    ("plugins/x/action.yml", "name: x\ndescription: y\nruns: {using: composite, steps: [{run: x}]}", "not valid"),
    (
        ".github/workflows/a.yml",
        "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ github.nothing }}'}]}}",
        "nothing",
    ),
    (".github/workflows/b.yml", "on: push\njobs: {a: {runs-on: x, steps: [{uses: a/b@v1}]}}", "unpinned"),
    (
        ".github/workflows/c.yml",
        "on: push\njobs: {a: {runs-on: x, steps: [{uses: OWNER/masu/plugins/github-actions@v1, with: {nonsense: 1}}]}}",
        "no input 'nonsense'",
    ),
    (".gitlab-ci.yml", "a: {script: x, artifact: {}}", "artifact"),
    ("plugins/gitlab/templates/t.yml", "spec: {inputs: {a: {type: stringy}}}\n---\na: {script: x}", "stringy"),
    ("examples/kubernetes/p.yaml", "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: a, imag: b}]}", "imag"),
    ("examples/tekton/t.yaml", "apiVersion: tekton.dev/v1\nkind: Task\nspec: {steps: [{image: '$(params.A)'}]}", "params.A"),
    ("examples/tekton/u.yaml", "apiVersion: tekton.dev/v1\nkind: Task\nspec: {steps: [{imag: a}]}", "imag"),
    ("examples/argo/w.yaml", "apiVersion: argoproj.io/v1alpha1\nspec: {templates: [{container: {imag: a}}]}", "imag"),
    ("examples/jenkins/Jenkinsfile", "yaml '''\napiVersion: v1\nkind: Pod\nspec: {container: []}\n'''", "container"),
    ("examples/x/Dockerfile", "FROM debian\nRUN cd /x && sudo ls\n", "DL3004"),
)


@pytest.mark.parametrize(("name", "text", "word"), WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_file_is_complained_about(name: str, text: str, word: str, tmp_path: Path) -> None:
    file = tmp_path / Path(name).name
    file.write_text(text)
    checks = {"gitlab": partial(validators.gitlab, scratch=tmp_path)}
    kind = kind_of(Path(name))
    complaints = (checks.get(kind) or getattr(validators, kind))(file)
    assert word in "\n".join(complaints)


def test_every_yaml_file_of_ours_can_be_read() -> None:
    for file in (file for file in platform_files() if file.suffix in (".yml", ".yaml") and file.name != "mkdocs.yml"):
        assert list(yaml.safe_load_all((REPOSITORY / file).read_text().replace("!reference ", ""))), file


def test_cloudbuild_lints_tests_and_pushes_in_this_order_with_targets_of_the_makefile() -> None:
    document = yaml.safe_load(CLOUDBUILD.read_text())
    assert [step["id"] for step in document["steps"]] == ["lint", "test", "image", "debug-image"]
    used = [step["script"].removeprefix("make ") for step in document["steps"]]
    targets = re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert used == ["check", "test", "push", "push"]
    assert set(used) <= set(targets)


def test_cloudbuild_pushes_both_targets_and_leaves_none_to_the_workers_daemon() -> None:
    """`images` is a `docker push` of what that daemon has."""
    document = yaml.safe_load(CLOUDBUILD.read_text())
    names = ["IMAGE_NAME=$_IMAGE", "IMAGE_TAG=$_TAG"]
    assert [step["env"] for step in document["steps"][2:]] == [[*names, "TARGET=default"], [*names, "TARGET=debug"]]
    assert "images" not in document
