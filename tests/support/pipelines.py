"""The pods that Tekton, Argo Workflows and Jenkins make of their files, with what these put around a container."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = "/tekton/results"


def tekton_pod(
    task: Any, params: Mapping[str, str | Sequence[str]], *, source: str, secrets: Mapping[str, str], scripts: Path | None = None
) -> Any:
    """The pod of a Task with one step (tektoncd/pipeline: docs/tasks.md, docs/workspaces.md).

    `params` are those of the TaskRun; `source` is where the workspace of this name is mounted, `secrets` are those of others. A
    step's script becomes a file in `scripts`, which is at /tekton/scripts.
    """
    spec = task["spec"]
    declared = spec.get("params", ())
    given: dict[str, str | Sequence[str]] = {item["name"]: item["default"] for item in declared if "default" in item}
    given |= params
    missing = {item["name"] for item in declared} ^ set(given)
    assert not missing, f"parameters {missing} are missing or unknown"
    values = {f"params.{name}": value for name, value in given.items() if isinstance(value, str)}
    values |= {f"results.{item['name']}.path": f"{RESULTS}/{item['name']}" for item in spec.get("results", ())}
    values |= {"workspaces.source.path": source}
    (step,) = spec["steps"]
    container = {**spec.get("stepTemplate", {}), **step}
    container |= {key: _replaced(container[key], values) for key in ("image", "workingDir") if key in container}
    container["args"] = [word for text in step.get("args", ()) for word in _words(text, values, given)]
    if scripts and "script" in step:
        container["command"] = [_script(_replaced(container.pop("script"), values), scripts)]
    paths = {item["name"]: item.get("mountPath", f"/workspace/{item['name']}") for item in spec.get("workspaces", ())}
    container["volumeMounts"] = [{"name": name, "mountPath": paths[name]} for name in secrets]
    volumes = [{"name": name, "secret": {"secretName": secret}} for name, secret in secrets.items()]
    return pod({"containers": [container], "volumes": volumes})


def argo_pod(workflow: Any, inputs: Mapping[str, str] | None = None) -> Any:
    """The pod of the entrypoint's template, or of the only one; `inputs` are the parameters that the workflow doesn't set."""
    spec = workflow["spec"]
    given = spec.get("arguments", {}).get("parameters", ())
    values = {f"workflow.parameters.{item['name']}": item["value"] for item in given if "value" in item}
    values |= {f"{kind}.parameters.{name}": value for name, value in (inputs or {}).items() for kind in ("inputs", "workflow")}
    (template,) = [item for item in spec["templates"] if item["name"] == spec.get("entrypoint", item["name"])]
    container = {"name": "main", **template["container"]}
    pattern = r"\{\{([^}]+)\}\}"
    container["image"] = _replaced(container["image"], values, pattern=pattern)
    container["args"] = [_replaced(text, values, pattern=pattern) for text in container["args"]]
    return pod({"containers": [container], "volumes": [*spec.get("volumes", ()), *template.get("volumes", ())]})


def pod(spec: Any) -> Any:
    """A pod that isn't started again."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rendered"}, "spec": {"restartPolicy": "Never", **spec}}


def jenkins_command(control: str) -> list[str]:
    """How Jenkins runs an `sh` step (durable-task: BourneShellScript), `control` being the directory with its `script.sh`."""
    heart = (
        f"while [ -d '{control}' -a ! -f '{control}/jenkins-result.txt' ]; do touch '{control}/jenkins-log.txt'; sleep 3; done"
    )
    run = f"sh -xe '{control}/script.sh' > '{control}/jenkins-log.txt' 2>&1; echo $? > '{control}/jenkins-result.txt.tmp'"
    return ["sh", "-c", f"({{ {heart}; }} & {run}; mv '{control}/jenkins-result.txt.tmp' '{control}/jenkins-result.txt'; wait)"]


def _words(text: str, values: Mapping[str, str], params: Mapping[str, str | Sequence[str]]) -> Sequence[str]:
    """`$(params.X[*])` or `$(params.X)`, alone in its argument, is as many arguments as the array has."""
    array = re.fullmatch(r"\$\(params\.([\w-]+)(?:\[\*\])?\)", text)
    given = params[array[1]] if array else text
    return [_replaced(text, values)] if isinstance(given, str) else given


def _script(text: str, directory: Path) -> str:
    """Its place in the container, once it is in the directory."""
    path = directory / f"script-{len(list(directory.glob('script-*')))}"
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\nset -e\n{text}")
    path.chmod(0o755)
    return f"/tekton/scripts/{path.name}"


def _replaced(text: str, values: Mapping[str, str], *, pattern: str = r"\$\(([^)]+)\)") -> str:
    return re.sub(pattern, lambda match: values[match[1]], text)
