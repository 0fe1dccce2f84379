"""Kubernetes manifests played by podman: the pod as its YAML says, with its images, hosts and secrets put in.

podman 4.3 isn't a cluster: it knows no `items` of a secret (the whole secret is mounted), mounts the values of `data` as they
are, not decoded, and has no /dev/termination-log, which is bound to a file here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.engine import Engine, Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How the pod's only container ended, and its termination message."""

    finished: Finished
    message: str


def play(
    podman: Engine, manifest: Path, directory: Path, *, values: Mapping[str, str], secrets: Mapping[str, Mapping[str, str]]
) -> Played:
    """Play `manifest` with each key of `values` replaced by its value, in the host's network; nothing of it is left afterwards.

    `secrets`: name → file → content. `directory` is for files of this function's own.
    """
    text = manifest.read_text()
    for old, new in values.items():
        assert old in text, f"{manifest} doesn't name {old}"
        text = text.replace(old, new)
    pod = yaml.safe_load(text)
    message = directory / "termination-log"
    message.touch()
    message.chmod(0o666)
    _bind(pod, message, "/dev/termination-log")
    path = directory / "pod.yaml"
    path.write_text(yaml.safe_dump(pod))
    try:
        for name, files in secrets.items():
            _create(podman, name, files, directory / name)
        return Played(finished=_run(podman, path, pod), message=message.read_text())
    finally:
        podman("kube", "down", path)
        podman("volume", "rm", "--force", *secrets, *(volume["name"] for volume in pod["spec"]["volumes"]))
        podman("secret", "rm", *secrets)


def _run(podman: Engine, path: Path, pod: Any) -> Finished:
    played = podman("kube", "play", "--network=host", path)
    assert played.code == 0, played.output
    (container,) = pod["spec"]["containers"]
    name = f"{pod['metadata']['name']}-{container['name']}"
    code = int(podman("wait", name, timeout=600).output)
    return Finished(code=code, output=podman("logs", name).output)


def _create(podman: Engine, name: str, files: Mapping[str, str], path: Path) -> None:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": dict(files)}))
    created = podman("secret", "create", name, path)
    assert created.code == 0, created.output


def _bind(pod: Any, source: Path, target: str) -> None:
    (container,) = pod["spec"]["containers"]
    container["volumeMounts"].append({"name": "bound", "mountPath": target})
    pod["spec"]["volumes"].append({"name": "bound", "hostPath": {"path": str(source), "type": "File"}})
