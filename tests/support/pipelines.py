"""The pods that Tekton, Argo Workflows and Jenkins make of their files, with what these put around a container."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

RESULTS = "/tekton/results"


def tekton_pod(task: Any, params: Mapping[str, str | Sequence[str]], *, source: str, secrets: Mapping[str, str]) -> Any:
    """The pod of a Task with one step (tektoncd/pipeline: docs/tasks.md, docs/workspaces.md).

    `params` are those of the TaskRun; `source` is where the workspace of this name is mounted, `secrets` are those of others.
    """
    spec = task["spec"]
    given: dict[str, str | Sequence[str]] = {item["name"]: item["default"] for item in spec["params"] if "default" in item}
    given |= params
    missing = {item["name"] for item in spec["params"]} ^ set(given)
    assert not missing, f"parameters {missing} are missing or unknown"
    values = {f"params.{name}": value for name, value in given.items() if isinstance(value, str)}
    values |= {f"results.{item['name']}.path": f"{RESULTS}/{item['name']}" for item in spec["results"]}
    values |= {"workspaces.source.path": source}
    (step,) = spec["steps"]
    container = {**step, "image": _replaced(step["image"], values), "workingDir": _replaced(step["workingDir"], values)}
    container["args"] = [word for text in step["args"] for word in _words(text, values, given)]
    paths = {item["name"]: item.get("mountPath", f"/workspace/{item['name']}") for item in spec["workspaces"]}
    container["volumeMounts"] = [{"name": name, "mountPath": paths[name]} for name in secrets]
    volumes = [{"name": name, "secret": {"secretName": secret}} for name, secret in secrets.items()]
    return pod({"containers": [container], "volumes": volumes})


def argo_pod(workflow: Any) -> Any:
    """The pod of the entrypoint's template."""
    spec = workflow["spec"]
    values = {f"workflow.parameters.{item['name']}": item["value"] for item in spec["arguments"]["parameters"]}
    (template,) = [item for item in spec["templates"] if item["name"] == spec["entrypoint"]]
    container = {"name": "main", **template["container"]}
    container["args"] = [_replaced(text, values, pattern=r"\{\{([^}]+)\}\}") for text in container["args"]]
    return pod({"containers": [container], "volumes": spec["volumes"]})


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
    """`$(params.X[*])`, alone in its argument, is as many arguments as the array has."""
    array = re.fullmatch(r"\$\(params\.([\w-]+)\[\*\]\)", text)
    return params[array[1]] if array else [_replaced(text, values)]


def _replaced(text: str, values: Mapping[str, str], *, pattern: str = r"\$\(([^)]+)\)") -> str:
    return re.sub(pattern, lambda match: values[match[1]], text)
