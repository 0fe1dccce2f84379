"""Linters and schemas of those who read our files: each takes a file and gives what is wrong with it, a line a complaint.

They come with pyproject's `dev` extra, and need no network.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.bases import CACHE
from tests.support.shared import REPOSITORY

_NEWER = ("enableStructuredLogging",)
_BIN = Path(sys.executable).parent


def cloud_build(file: Path) -> list[str]:
    """Cloud Build's published schema, and Google's own parser, which knows the newest fields and no others."""
    from google.cloud.devtools.cloudbuild_v1 import Build
    from google.protobuf.json_format import ParseError

    complaints = _without_newer(_schema("vendor.cloudbuild", file))
    try:
        Build.from_json(json.dumps(yaml.safe_load(file.read_text())))
    except ParseError as error:
        complaints.append(f"{file}: {error}")
    return complaints


def _without_newer(complaints: list[str]) -> list[str]:
    """The schema is older than these fields, which the parser checks."""
    places = [line for line in complaints if "::$" in line]
    known = [line for line in places if any(f"('{field}' was unexpected)" in line for field in _NEWER)]
    return [] if places and places == known else complaints


def github_workflow(file: Path) -> list[str]:
    """GitHub's schema, actionlint and zizmor."""
    return [*github_workflow_as_it_is(file), *_zizmor(file)]


def github_workflow_as_it_is(file: Path) -> list[str]:
    """Of a workflow whose habits aren't ours: the schema and actionlint."""
    command = ["actionlint", "-no-color", "-oneline", "-shellcheck=", "-pyflakes=", str(file)]
    return [*_schema("vendor.github-workflows", file), *_run(command), *_inputs(file)]


def _inputs(file: Path) -> list[str]:
    """What our action is given it must know: actionlint reads actions in the repository only by their paths."""
    action = "plugins/github-actions"
    known = yaml.safe_load((REPOSITORY / action / "action.yml").read_text())["inputs"]
    steps = [step for job in yaml.safe_load(file.read_text())["jobs"].values() for step in job.get("steps", ())]
    ours = [step for step in steps if re.fullmatch(rf"\S+/masu/{action}@\S+", step.get("uses", ""))]
    return [f"{file}: our action has no input {name!r}" for step in ours for name in step.get("with", {}) if name not in known]


def github_action(file: Path) -> list[str]:
    """GitHub's schema and zizmor; what uses the action is checked against it by actionlint."""
    return [*_schema("vendor.github-actions", file), *_zizmor(file)]


def gitlab(file: Path, *, scratch: Path) -> list[str]:
    """GitLab's schema for each YAML document: a component has its `spec` in one of its own, which the schema knows by itself.

    `scratch` is a directory for the halves.
    """
    parts = re.split(r"^---[ \t]*$\n?", file.read_text(), flags=re.MULTILINE)
    complaints: list[str] = []
    for number, part in enumerate(parts):
        if part.strip() and yaml.safe_load(_without_tags(part)) is not None:
            half = scratch / f"{file.stem}-{number}.yml"
            half.write_text(part)
            complaints += _schema("vendor.gitlab-ci", half, "--data-transform", "gitlab-ci")
    return complaints


def manifests(file: Path) -> list[str]:
    """Kubernetes' strict schemas for all its documents; those of Tekton and Argo are looked at as the pods they become."""
    documents = [document for document in yaml.safe_load_all(file.read_text()) if document is not None]
    return [f"{file}: {line}" for document in documents for line in manifest(document)]


def manifest(document: dict[str, Any]) -> list[str]:
    """What is wrong with one object of the Kubernetes API."""
    group = str(document.get("apiVersion", "")).partition("/")[0]
    if group == "tekton.dev":
        return [*_tekton_names(document), *_pods(_tekton_pods(document))]
    if group == "argoproj.io":
        return _pods(_argo_pods(document))
    return _pods([document])


def tekton(*files: Path, scratch: Path) -> list[str]:
    """IBM's linter of Tasks and Pipelines, which are known to one another if they are in these files; skips where it isn't."""
    program = CACHE / "tekton-lint/node_modules/@ibm/tekton-lint/dist/lint.js"
    if not program.exists() or not shutil.which("node"):
        pytest.skip("tekton-lint is not installed (scripts/install-test-tools)")
    rules = scratch / "rules.yaml"
    rules.write_text("rules: {no-missing-resource: off, no-duplicate-resource: off}\n")  # Tasks of the cluster; of two files
    return _run(["node", str(program), "--config", str(rules), "--quiet", *map(str, files)])


def dockerfile(file: Path) -> list[str]:
    """hadolint, with what .hadolint.yaml leaves out."""
    return _run(["hadolint", "--no-color", "--config", str(REPOSITORY / ".hadolint.yaml"), str(file)])


def jenkinsfile(file: Path) -> list[str]:
    """The pod templates in it; Groovy itself is not looked at."""
    templates: list[str] = re.findall(r"yaml\s*'''(.*?)'''", file.read_text(), re.DOTALL)
    if not templates:
        return [f"{file}: no pod template (yaml ''' … ''') in it"]
    return [f"{file}: {line}" for template in templates for line in manifest(yaml.safe_load(template))]


def _schema(name: str, file: Path, *more: str) -> list[str]:
    """By check-jsonschema in this process: starting it takes seconds."""
    import check_jsonschema
    from click.testing import CliRunner

    done = CliRunner().invoke(check_jsonschema.main, ["--builtin-schema", name, *more, str(file)])
    if done.exit_code == 0:
        return []
    return (
        done.output.splitlines() if isinstance(done.exception, SystemExit) else [*done.output.splitlines(), repr(done.exception)]
    )


def _zizmor(file: Path) -> list[str]:
    """Nothing to say is its exit code 0; 11 to 14 stand for findings."""
    return _run(["zizmor", "--offline", "--no-progress", "--color=never", "--quiet", str(file)])


def _run(command: Sequence[str]) -> list[str]:
    program = _BIN / command[0]
    argv = [str(program) if program.is_file() else command[0], *command[1:]]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, cwd=REPOSITORY)
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).splitlines() or [f"{command[0]} ended with {done.returncode} and said nothing"]


def _without_tags(text: str) -> str:
    return text.replace("!reference ", "")


def _pods(objects: Sequence[dict[str, Any]]) -> list[str]:
    import kubernetes_validate

    complaints = []
    for thing in objects:
        try:
            kubernetes_validate.validate(thing, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as error:
            complaints.append(f"{'.'.join(str(part) for part in error.path)}: {error.message}")
        except (kubernetes_validate.InvalidSchemaError, kubernetes_validate.SchemaNotFoundError) as error:
            complaints.append(f"{thing.get('apiVersion')} {thing.get('kind')}: no schema: {error}")
    return complaints


_STEP_ONLY = frozenset(
    {"script", "onError", "timeout", "results", "stdoutConfig", "stderrConfig", "ref", "params", "when", "workspaces"}
)


def _tekton_pods(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The pod of each Task in it: steps are containers with a few fields of Tekton's own."""
    pods = []
    for spec in _task_specs(document):
        containers = [
            {
                ("securityContext" if key == "securityContext" else key): value
                for key, value in step.items()
                if key not in _STEP_ONLY
            }
            for step in [
                {"name": f"step-{number}", **(spec.get("stepTemplate") or {}), **step}
                for number, step in enumerate(spec["steps"])
            ]
        ]
        pods.append(_pod({"containers": containers, "volumes": spec.get("volumes") or []}))
    return pods


def _task_specs(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    spec = document.get("spec") or {}
    if document.get("kind") in ("Task", "ClusterTask"):
        yield spec
    for place in (spec, *(spec.get("tasks") or []), *((spec.get("pipelineSpec") or {}).get("tasks") or [])):
        if "taskSpec" in place:
            yield place["taskSpec"]


def _tekton_names(document: dict[str, Any]) -> list[str]:
    """What a Task's `$(params.x)`, `$(workspaces.x.path)` and `$(results.x.path)` name must be declared in it."""
    complaints = []
    for spec in _task_specs(document):
        for kind in ("params", "workspaces", "results"):
            declared = {item["name"] for item in spec.get(kind) or []}
            used = set(re.findall(rf"\$\({kind}\.([\w-]+)", json.dumps(spec.get("steps"))))
            complaints += [f"$({kind}.{name}) is declared nowhere" for name in sorted(used - declared)]
    return complaints


def _argo_pods(document: dict[str, Any]) -> list[dict[str, Any]]:
    spec = document.get("spec") or {}
    volumes = spec.get("volumes") or []
    found = [template for template in spec.get("templates") or [] if "container" in template]
    return [
        _pod({"containers": [{"name": "main", **template["container"]}], "volumes": [*volumes, *template.get("volumes", [])]})
        for template in found
    ]


def _pod(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "checked"}, "spec": spec}
