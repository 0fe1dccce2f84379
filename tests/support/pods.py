"""Kubernetes manifests played by podman: the pod, or that of the Job or CronJob, as its YAML says, with this machine's images.

podman 4.3 isn't a cluster: it knows no Jobs (their pods are played), no `items` of a secret (the whole secret is mounted), mounts
the values of `data` as they are, not decoded, and panics over a secret that doesn't say `optional`. It gives neither
/dev/termination-log, which is bound to a file here, nor the variables by which programs know that they are in a cluster.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.engine import Engine, Finished

_MESSAGE = "termination-log"
CLUSTER = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How the pod's only container ended, and its termination message."""

    finished: Finished
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What a pod finds: `images` are this machine's by the name in the YAML, `secrets` by name and file; its network is podman's.

    `files` (path in the container → file here) and `env` are what the cluster's admission adds to every pod.
    """

    podman: Engine
    directory: Path
    images: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)


def pod_of(text: str) -> Any:
    """The only pod in these YAML documents: a Pod, or the template of a Job or CronJob."""
    (pod,) = [pod for document in yaml.safe_load_all(text) for pod in _pods(document)]
    return pod


def play(cluster: Cluster, pod: Any) -> Played:
    """Play a pod to its end; nothing of it is left afterwards but its volume claims."""
    with started(cluster, pod) as name:
        code = int(cluster.podman("wait", name, timeout=600).output)
        output = cluster.podman("logs", name).output
    return Played(finished=Finished(code=code, output=output), message=message(cluster))


def message(cluster: Cluster) -> str:
    """The termination message of the container that was played last."""
    return (cluster.directory / _MESSAGE).read_text()


@contextlib.contextmanager
def started(cluster: Cluster, pod: Any) -> Iterator[str]:
    """The name of the pod's only container, which runs."""
    podman, directory = cluster.podman, cluster.directory
    log = directory / _MESSAGE
    log.write_text("")
    log.chmod(0o666)
    _adapt(cluster, pod, {**cluster.files, "/dev/termination-log": log})
    path = directory / "pod.yaml"
    path.write_text(yaml.safe_dump(pod))
    used = [volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    (container,) = pod["spec"]["containers"]
    try:
        for name in used:
            _create(podman, name, cluster.secrets[name], directory / name)
        played = podman("kube", "play", "--network=host", path)
        assert played.code == 0, played.output
        yield f"{pod['metadata']['name']}-{container['name']}"
    finally:
        podman("kube", "down", path)
        podman("volume", "rm", "--force", *used, *(volume["name"] for volume in pod["spec"]["volumes"] if "emptyDir" in volume))
        podman("secret", "rm", *used)


def _pods(document: Any) -> Sequence[Any]:
    kind = document["kind"]
    if kind == "Pod":
        return [document]
    spec = document["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else document.get("spec")
    if kind not in ("Job", "CronJob"):
        return []
    metadata = {"name": document["metadata"]["name"]}
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec["template"]["spec"]}]


def _adapt(cluster: Cluster, pod: Any, files: Mapping[str, Path]) -> None:
    """Put this machine's images and what a cluster adds into the pod."""
    (container,) = pod["spec"]["containers"]
    container["image"] = cluster.images[container["image"]]
    container.setdefault("env", []).extend({"name": name, "value": value} for name, value in {**CLUSTER, **cluster.env}.items())
    for number, (target, source) in enumerate(files.items()):
        container.setdefault("volumeMounts", []).append({"name": f"bound-{number}", "mountPath": target})
        volume = {
            "name": f"bound-{number}",
            "hostPath": {"path": str(source), "type": "Directory" if source.is_dir() else "File"},
        }
        pod["spec"].setdefault("volumes", []).append(volume)
    for volume in pod["spec"]["volumes"]:
        volume.get("emptyDir", {}).pop("sizeLimit", None)
        volume.get("secret", {}).setdefault("optional", False)


def _create(podman: Engine, name: str, files: Mapping[str, str], path: Path) -> None:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": dict(files)}))
    created = podman("secret", "create", name, path)
    assert created.code == 0, created.output
