"""examples/tekton, examples/argo and examples/jenkins as they stand: the pods that these make of them, played by podman."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster import World, check
from tests.support.masu import ROOT, write_context
from tests.support.pipelines import RESULTS, argo_pod, jenkins_command, tekton_pod
from tests.support.pods import pod_of, started

TASK = yaml.safe_load((ROOT / "examples/tekton/task.yaml").read_text())
SOURCE = "/workspace/source"
IMAGE = "registry.example.com/team/app:1.0"


def results(world: World, tmp_path: Path, params: dict[str, Any], secrets: dict[str, str]) -> dict[str, str]:
    """What a TaskRun has as results, which share a termination message of 4096 bytes."""
    (tmp_path / "results").mkdir()
    files = {SOURCE: world.context, RESULTS: tmp_path / "results"}
    result = world.play(tekton_pod(TASK, params, source=SOURCE, secrets=secrets), tmp_path, files=files)
    assert result.finished.code == 0, result.finished.output
    assert result.message == "", "Tekton writes the termination message"
    found = {path.name: path.read_text() for path in (tmp_path / "results").iterdir()}
    declared = {item["name"] for item in TASK["spec"]["results"]}
    assert declared <= set(found)
    assert sum(len(text.encode()) for text in found.values()) < 4096
    return found


def test_the_task_takes_the_catalogs_parameters_and_gives_its_results(world: World, tmp_path: Path) -> None:
    params = {"IMAGE": IMAGE, "EXTRA_ARGS": ["--label=a=b c", "--destination=registry.example.com/team/app:latest"]}
    found = results(world, tmp_path, params, {"dockerconfig": "registry-login"})
    digest, image = world.pulled(IMAGE, tmp_path)
    check(image)
    assert image.config["config"]["Labels"] == {"a": "b c"}
    assert found["IMAGE_DIGEST"] == digest
    assert found["IMAGE_URL"] == IMAGE
    assert found["IMAGES"] == f"registry.example.com/team/app@{digest}"


def test_parameters_reach_masu_as_they_are(world: World, tmp_path: Path) -> None:
    """Tekton makes one word of each, and none of an empty list; what masu makes of a word has no shell in between."""
    odd = 'it\'s "b" $HOME `id` $(params.IMAGE)\n c;d '
    params = {"IMAGE": IMAGE, "EXTRA_ARGS": [f"--label=a={odd}", "--label=empty=", ""]}
    results(world, tmp_path, params, {"dockerconfig": "registry-login"})
    assert world.pulled(IMAGE, tmp_path)[1].config["config"]["Labels"] == {"a": odd, "empty": ""}


@pytest.mark.parametrize(("run", "code"), [("exit 42", 42), ("true\nCOPY nowhere /", 1)])
def test_a_task_that_fails_has_the_commands_exit_code_and_no_results(run: str, code: int, world: World, tmp_path: Path) -> None:
    """With the catalog's defaults: an empty list of arguments."""
    source = write_context(tmp_path / "source", f"FROM busybox\nRUN {run}\n")
    (tmp_path / "results").mkdir()
    pod = tekton_pod(TASK, {"IMAGE": IMAGE}, source=SOURCE, secrets={"dockerconfig": "registry-login"})
    result = world.play(pod, tmp_path, files={SOURCE: source, RESULTS: tmp_path / "results"})
    assert result.finished.code == code, result.finished.output
    assert list((tmp_path / "results").iterdir()) == []


def test_the_pipelines_result_is_the_image_that_its_task_pushed(world: World, tmp_path: Path) -> None:
    pipeline = yaml.safe_load((ROOT / "examples/tekton/pipeline.yaml").read_text())["spec"]
    (build,) = [task for task in pipeline["tasks"] if task["taskRef"]["name"] == TASK["metadata"]["name"]]
    params = {item["name"]: item["value"] for item in build["params"]} | {"IMAGE": IMAGE}
    used = {item["name"] for item in build["workspaces"]}
    assert used == {item["name"] for item in TASK["spec"]["workspaces"]}
    found = results(world, tmp_path, params, {"dockerconfig": "registry-login"})
    (result,) = pipeline["results"]
    told = re.sub(r"\$\(tasks\.build\.results\.(\w+)\)", lambda match: found[match[1]], result["value"])
    assert told == f"{IMAGE}@{world.pulled(IMAGE, tmp_path)[0]}"


def test_the_output_parameter_of_argos_template_is_the_digest(world: World, tmp_path: Path) -> None:
    workflow = yaml.safe_load((ROOT / "examples/argo/workflow.yaml").read_text())
    (parameter,) = workflow["spec"]["templates"][0]["outputs"]["parameters"]
    cluster = world.with_files(tmp_path, {})
    with started(cluster, argo_pod(workflow)) as name:
        podman = world.cluster.podman
        assert podman("wait", name, timeout=600).output.strip() == "0", podman("logs", name).output
        copied = podman("cp", f"{name}:{parameter['valueFrom']['path']}", tmp_path / "digest")  # as Argo's executor reads it
        assert copied.code == 0, copied.output
    digest, image = world.pulled(IMAGE, tmp_path)
    check(image)
    assert (tmp_path / "digest").read_text() == digest


def test_jenkins_runs_its_sh_step_in_the_pod_of_the_template(world: World, tmp_path: Path) -> None:
    text = (ROOT / "examples/jenkins/Jenkinsfile").read_text()
    template, script = re.search(r"yaml '''(.*?)'''", text, re.DOTALL), re.search(r"sh '(.*)'\n", text)
    assert template
    assert script
    agent = tmp_path / "agent"
    shutil.copytree(world.context, agent / "workspace/app")
    (agent / "control").mkdir()
    (agent / "control/script.sh").write_text(script[1])
    pod = pod_of(template[1])
    pod["metadata"] = {"name": "agent"}
    with started(world.with_files(tmp_path, {"/home/jenkins/agent": agent}), pod) as name:
        variables = ["--env=WORKSPACE=/home/jenkins/agent/workspace/app", "--env=BUILD_NUMBER=17"]
        command = jenkins_command("/home/jenkins/agent/control")
        done = world.cluster.podman("exec", "--workdir=/home/jenkins/agent/workspace/app", *variables, name, *command)
    log = (agent / "control/jenkins-log.txt").read_text()
    assert (done.code, (agent / "control/jenkins-result.txt").read_text()) == (0, "0\n"), log + done.output
    digest, image = world.pulled("registry.example.com/team/app:17", tmp_path)
    check(image)
    assert (agent / "workspace/app/digest.txt").read_text() == digest
