"""Runs CI files: of each platform's file all that runs in masu's image, in the form in which the platform runs it.

What else is in a file (a deployment, a clone of the repository) isn't run; what it would have left is there. Each function takes
the text with the engine's images, the values that the file doesn't have itself, and a directory of its own; a step that fails is
an error.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from steps import ACTION
from tests.support import runner
from tests.support.act import GitHubRun, HostedRun
from tests.support.cloud_build import Worker
from tests.support.engine import Finished
from tests.support.gitlab_local import local_runner
from tests.support.gitlab_runner import PROJECT, Job
from tests.support.migration_site import LOGINS, PASSWORD, USER, Place
from tests.support.pipelines import argo_pod, jenkins_command, tekton_pod
from tests.support.shared import REPOSITORY

Values = Mapping[str, str]
WORKSPACE = "/workspace"
CATALOG = REPOSITORY / "tests/steps/migration/expected/tekton/catalog.yaml"


def _succeed(done: Finished) -> None:
    assert done.code == 0, done.output


# --- Cloud Build -------------------------------------------------------------------------------------------------------------


def cloud_build(place: Place, text: str, values: Values, directory: Path) -> None:
    """The worker's `docker run`; a step with Docker's own client is a `docker run` as well."""
    ours = {name: name for name in place.images.values()}
    worker = Worker(
        engine=place.engine, network=place.network, certificate=place.certificate, images=ours, asked=[], directory=directory
    )
    (place.source / "key.json").write_text(place.secrets["kaniko-secret"]["kaniko-secret.json"])
    with worker.build(text, place.source, substitutions=values) as build:
        for index, step in enumerate(build.document["steps"]):
            if step["name"] in ours:
                _succeed(build.run_step(index).finished)
            elif step["name"].endswith("/docker") and step["args"][0] == "run":
                words = [word.replace("/workspace:", f"{build.workspace}:") for word in step["args"]]
                network = words.index("--network=cloudbuild")
                words[network : network + 1] = ["--rm", f"--network={place.network}", place.trust]
                _succeed(place.engine(*words))


# --- GitLab ------------------------------------------------------------------------------------------------------------------


def gitlab(place: Place, text: str, values: Values, directory: Path) -> None:
    """The jobs as GitLab's runner has them. gitlab-ci-local reads what GitLab adds to YAML: `extends`, `!reference`, inputs."""
    project = directory / "builds/group/project"
    place.copy(project)
    for path in (project, *project.rglob("*")):  # the runner's helper clones with umask 0000
        path.chmod(0o777 if path.is_dir() else 0o666, follow_symlinks=False) if not path.is_symlink() else None
    is_plain = not re.search(r"!reference|^ *extends:|^(?:default|spec):", text, re.MULTILINE)
    document = yaml.safe_load(text) if is_plain else _preview(place, text, directory)
    (project.parent / "project.tmp").mkdir()
    (project.parent / "project.tmp/ca.pem").write_bytes(place.certificate.read_bytes())
    (project.parent / "project.tmp/auth.json").write_text(LOGINS)
    jobs = [entry for name, entry in document.items() if name[0] != "." and isinstance(entry, dict) and "script" in entry]
    for job in jobs:
        for row in _rows(job.get("parallel")):
            known = {**_gitlab_variables(), **values, **document.get("variables", {}), **job.get("variables", {}), **row}
            variables = {name: _expanded(str(value), known) for name, value in known.items()}
            image = job["image"] if isinstance(job["image"], dict) else {"name": job["image"]}
            options = [place.trust, *([f"--entrypoint={' '.join(image['entrypoint'])}"] if "entrypoint" in image else [])]
            name = _expanded(image["name"], known)
            runs = Job(
                engine=place.engine, image=name, builds=directory / "builds", variables=variables, options=options,
                network=place.network,
            )  # fmt: skip
            _succeed(runs(*_lines(job.get("before_script")), *_lines(job["script"])))


def _preview(place: Place, text: str, directory: Path) -> Any:
    (directory / "read").mkdir()
    (directory / "read/.gitlab-ci.yml").write_text(text)
    local = local_runner(place.engine, directory / "read", directory / "local")
    told = subprocess.run(
        local.argv("--preview", "--json-schema-validation=false", variables={}), cwd=local.project, env=local.env(),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return yaml.safe_load(told.stdout)


def _gitlab_variables() -> dict[str, str]:
    """Predefined ones, and two of the user's of type file."""
    return {
        "CI_REGISTRY": "registry.gitlab.test", "CI_REGISTRY_IMAGE": "registry.gitlab.test/group/project",
        "CI_REGISTRY_USER": USER, "CI_REGISTRY_PASSWORD": PASSWORD, "CI_PROJECT_DIR": PROJECT, "CI_COMMIT_TAG": "v1.0",
        "CI_COMMIT_SHORT_SHA": "5eed1e55", "CI_COMMIT_REF_SLUG": "main", "CI_SERVER_TLS_CA_FILE": f"{PROJECT}.tmp/ca.pem",
        "DOCKER_AUTH": f"{PROJECT}.tmp/auth.json",
    }  # fmt: skip


def _rows(parallel: Any) -> Iterator[dict[str, Any]]:
    """What each job of a matrix has as variables."""
    for entry in parallel["matrix"] if isinstance(parallel, dict) else [{}]:
        columns = [value if isinstance(value, list) else [value] for value in entry.values()]
        yield from (dict(zip(entry, row, strict=True)) for row in product(*columns))


def _expanded(text: str, known: Mapping[str, Any]) -> str:
    """Variables in variables, as the runner expands them; what nobody set is empty."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: _expanded(str(known.get(match[1] or match[2], "")), known), text)


def _lines(script: Any) -> Sequence[str]:
    return [script] if isinstance(script, str) else script or []


# --- GitHub ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workflow:
    """One job's surroundings: `values` are what expressions stand for, `home` is the hosted runner's user's."""

    place: Place
    directory: Path
    values: dict[str, str]
    env: Values
    container: str

    @property
    def workspace(self) -> Path:
        return self.directory / "work"

    def log_in(self, config: str) -> None:
        """As docker's client keeps it."""
        (self.directory / "home/.docker").mkdir(parents=True, exist_ok=True)
        (self.directory / "home/.docker/config.json").write_text(config)

    def step(self, step: Any) -> None:
        uses, inputs = step.get("uses", ""), {name: self.text(value) for name, value in step.get("with", {}).items()}
        if uses == ACTION:
            self._action(step.get("id", ""), inputs)
        elif uses.startswith("docker://"):
            self._image(uses.removeprefix("docker://"), inputs["args"].split())
        elif uses.startswith("docker/login-action@"):
            auth = {"auths": {inputs["registry"]: {"username": inputs["username"], "password": inputs["password"]}}}
            self.log_in(json.dumps(auth))
        elif uses:
            assert uses.startswith("actions/checkout@"), f"nobody here knows {uses}"
        elif self.container:
            self._in_container(step)
        else:
            self._on_the_machine(step)

    def text(self, value: Any) -> str:
        """With its expressions' values."""
        plain = str(value).lower() if isinstance(value, bool) else str(value)
        return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda match: self.values[match[1]], plain)

    def _action(self, name: str, inputs: Values) -> None:
        image = inputs.get("step-image", self.place.images["registry.example.org/masu:latest"])
        hosted = HostedRun(engine=self.place.engine, image=image, directory=self.directory)
        job = {**self.env, "MASU_DOCKER_RUN_ARGS": f"--network={self.place.network}\n{self.place.trust}"}
        _succeed(hosted(inputs, job))
        found = runner.outputs(hosted.file("output").read_text())
        self.values.update({f"steps.{name}.outputs.{key}": value for key, value in found.items()})

    def _image(self, image: str, arguments: Sequence[str]) -> None:
        run = GitHubRun(
            engine=self.place.engine,
            image=image,
            directory=self.directory,
            network=self.place.network,
            options=[self.place.trust],
        )
        run.prepare()
        _succeed(run(self.env, *arguments))

    def _in_container(self, step: Any) -> None:
        """The runner starts the container with a command that waits, and runs each step by `docker exec`."""
        (self.directory / "_temp").mkdir(exist_ok=True)
        (self.directory / "_temp/step.sh").write_text(self.text(step["run"]))
        options = [f"--volume={self.directory}:/__w", "--workdir=/__w/work", "--entrypoint=tail", self.place.trust]
        variables = {name: self.text(value) for name, value in {**self.env, **step.get("env", {})}.items()}
        variables |= {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_WORKSPACE": "/__w/work", "HOME": "/github/home"}
        with self.place.engine.container(self.container, "-f", "/dev/null", options=options, network=self.place.network) as job:
            _succeed(job("sh", "-e", "/__w/_temp/step.sh", env=variables))

    def _on_the_machine(self, step: Any) -> None:
        """A hosted runner's shell. Its `docker run` is one in our network."""
        bin = self.directory / "bin"
        bin.mkdir(exist_ok=True)
        docker = " ".join(self.place.engine.argv())
        script = f'[ "$1" != run ] || {{ shift; set -- run --network={self.place.network} {self.place.trust} "$@"; }}'
        (bin / "docker").write_text(f'#!/bin/sh\n{script}\nexec {docker} "$@"\n')
        (bin / "docker").chmod(0o755)
        variables = {name: self.text(value) for name, value in {**self.env, **step.get("env", {})}.items()}
        home = {"HOME": str(self.directory / "home"), "GITHUB_WORKSPACE": str(self.workspace)}
        done = subprocess.run(
            ["bash", "-e", "-c", self.text(step["run"])], env={"PATH": f"{bin}:{os.environ['PATH']}", **home, **variables},
            cwd=self.workspace, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode(errors="replace")


def github(place: Place, text: str, values: Values, directory: Path) -> None:
    """Every job, once for each row of its matrix, with all its steps."""
    document = yaml.safe_load(text)
    known = {
        "github.actor": USER, "github.repository": "owner/app", "github.sha": "5eed1e5", "github.event_name == 'push'": "true",
        "secrets.GITHUB_TOKEN": PASSWORD, **values,
    }  # fmt: skip
    for number, job in enumerate(document["jobs"].values()):
        matrix = job.get("strategy", {}).get("matrix", {})
        for row_number, row in enumerate(matrix.get("include", list(_rows({"matrix": [matrix]})))):
            work = directory / f"{number}-{row_number}"
            place.copy(work / "work")
            container = job.get("container", "")
            workflow = _Workflow(
                place=place, directory=work, values={**known, **{f"matrix.{name}": str(value) for name, value in row.items()}},
                env={"DOCKER_AUTH_CONFIG": LOGINS, **document.get("env", {}), **job.get("env", {})},
                container=container["image"] if isinstance(container, dict) else container,
            )  # fmt: skip
            workflow.log_in(LOGINS)
            for step in job["steps"]:
                workflow.step(step)


# --- Kubernetes and what makes pods ------------------------------------------------------------------------------------------


def kubernetes(place: Place, text: str, values: Values, directory: Path) -> None:
    """Pods, those of Jobs, CronJobs and Argo's workflows. A container that waits gets the value `sh` as Jenkins' step."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    maps = {item["metadata"]["name"]: item["data"] for item in documents if item["kind"] == "ConfigMap"}
    for document in documents:
        if document["kind"] in ("Workflow", "WorkflowTemplate"):
            run_pod(place, argo_pod(document, values), directory, script="")
        elif document["kind"] in ("Pod", "Job", "CronJob"):
            own = directory / document["metadata"].get("name", "pod")
            own.mkdir()
            run_pod(place, _template(document), own, config_maps=maps, script=values.get("sh", ""))


def jenkins(place: Place, text: str, values: Values, directory: Path) -> None:
    """The pod of the pipeline's agent with the pipeline's `sh` steps."""
    template = re.search(r"yaml '''(.*?)'''", text, re.DOTALL)
    assert template, "no pod in the Jenkinsfile"
    scripts = [found[0] or found[1] for found in re.findall(r"sh '([^'\n]*)'|sh \"\"\"(.*?)\"\"\"", text, re.DOTALL)]
    script = "\n".join(scripts).replace("\\\\", "\\")
    run_pod(place, yaml.safe_load(template[1]), directory, script=script)


def tekton(place: Place, text: str, values: Values, directory: Path) -> None:
    """Each Task, alone or within a run or a pipeline, as its TaskRun with these values for its parameters.

    A Task that a pipeline names is the catalog's, as the cluster has it once that is migrated as well.
    """
    for document in (document for document in yaml.safe_load_all(text) if document):
        spec = document["spec"]
        known = {item["name"]: item["default"] for item in spec.get("params", ()) if "default" in item} | dict(values)
        for number, task in enumerate([{"taskSpec": spec}] if document["kind"] == "Task" else spec.get("tasks", [spec])):
            task_spec = task.get("taskSpec") or yaml.safe_load(place.named(CATALOG.read_text()))["spec"]
            params = {item["name"]: _with_params(item["value"], known) for item in task.get("params", ())}
            own = directory / str(number)
            own.mkdir()
            _run_task(place, task_spec, params or values, own)


def _with_params(value: str | Sequence[str], values: Values) -> str | Sequence[str]:
    return [*value] if not isinstance(value, str) else re.sub(r"\$\(params\.([\w-]+)\)", lambda match: values[match[1]], value)


def _run_task(place: Place, spec: Any, params: Mapping[str, str | Sequence[str]], directory: Path) -> None:
    (directory / "results").mkdir()
    secrets = {item["name"]: "regcred" for item in spec.get("workspaces", ()) if item["name"] != "source"}
    pod = tekton_pod({"spec": spec}, params, source="/workspace/source", secrets=secrets, scripts=directory)
    files = {"/workspace/source": place.copy(directory / "source"), "/tekton/results": directory / "results"}
    files |= {f"/tekton/scripts/{path.name}": path for path in directory.glob("script-*")}
    run_pod(place, pod, directory, files=files)


def _template(document: Any) -> Any:
    spec = document["spec"]
    if document["kind"] == "Pod":
        return document
    return spec["jobTemplate"]["spec"]["template"] if document["kind"] == "CronJob" else spec["template"]


def run_pod(
    place: Place, pod: Any, directory: Path, *, config_maps: Mapping[str, Values] | None = None,
    files: Mapping[str, Path] | None = None, script: str = "",
) -> None:  # fmt: skip
    """A pod's containers with masu's images, one after the other, as a kubelet starts them.

    What an init container would fetch into a volume is there: the repository. It is also at /workspace if the pod has nothing
    there.
    """
    spec = pod["spec"]
    fetched = {mount["name"] for init in spec.get("initContainers", ()) for mount in init.get("volumeMounts", ())}
    paths = {}
    for volume in spec.get("volumes", ()):
        paths[volume["name"]] = _volume(place, volume, directory, config_maps or {}, filled=volume["name"] in fetched)
    for number, container in enumerate(spec["containers"]):
        if container["image"] not in place.images.values():
            continue
        message = directory / f"termination-log-{number}"
        message.write_text("")
        mounts = {mount["mountPath"]: paths[mount["name"]] for mount in container.get("volumeMounts", ())}
        mounts |= {**(files or {}), "/dev/termination-log": message}
        if WORKSPACE not in mounts:
            mounts[WORKSPACE] = place.copy(directory / f"workspace-{number}")
        if script and container.get("tty"):
            _jenkins(place, container, mounts, directory, script)
        else:
            options, words = _kubelets(place, container, mounts)
            _succeed(place.engine("run", "--rm", f"--network={place.network}", *options, container["image"], *words))


def _kubelets(place: Place, container: Any, mounts: Mapping[str, Path]) -> tuple[list[str], list[str]]:
    """A container as options and words of `docker run`."""
    options = [place.trust, *(f"--volume={path}:{target}" for target, path in mounts.items())]
    options += [f"--env={item['name']}={item.get('value', '')}" for item in container.get("env", ())]
    options += [f"--workdir={container['workingDir']}"] if "workingDir" in container else []
    options += ["--tty"] if container.get("tty") else []
    user = container.get("securityContext", {}).get("runAsUser")
    options += [f"--user={user}"] if user is not None else []
    command = container.get("command", [])
    options += [f"--entrypoint={command[0]}"] if command else []
    return options, [*command[1:], *container.get("args", ())]


def _jenkins(place: Place, container: Any, mounts: Mapping[str, Path], directory: Path, script: str) -> None:
    agent = directory / "agent"
    place.copy(agent / "workspace/app")
    (agent / "control").mkdir()
    (agent / "control/script.sh").write_text(script)
    options, words = _kubelets(place, container, {**mounts, "/home/jenkins/agent": agent})
    with place.engine.container(container["image"], *words, options=options, network=place.network) as running:
        work = ["sh", "-c", f"cd /home/jenkins/agent/workspace/app; {jenkins_command('/home/jenkins/agent/control')[-1]}"]
        done = running(*work, env={"WORKSPACE": "/home/jenkins/agent/workspace/app", "BUILD_NUMBER": "17"})
    log = (agent / "control/jenkins-log.txt").read_text()
    assert (agent / "control/jenkins-result.txt").read_text() == "0\n", log + done.output


def _volume(place: Place, volume: Any, directory: Path, config_maps: Mapping[str, Values], *, filled: bool) -> Path:
    """A directory with what the volume has."""
    path = directory / f"volume-{volume['name']}"
    if filled:
        return place.copy(path)
    path.mkdir()
    for source in volume.get("projected", {}).get("sources", [volume]):
        secret, map = source.get("secret", {}), source.get("configMap", {})
        secret_name = secret.get("secretName", secret.get("name", ""))
        content = {**place.secrets.get(secret_name, {}), **config_maps.get(map.get("name", ""), {})}
        names = {item["key"]: item["path"] for item in secret.get("items", ())} or {key: key for key in content}
        for key, name in names.items():
            (path / name).write_text(content[key])
    return path
