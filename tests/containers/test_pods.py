"""examples/kubernetes and README.md's pod as they stand, played by podman."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.cloud_build import LOGIN
from tests.support.cluster import ECR, World, check
from tests.support.masu import ROOT, write_context
from tests.support.pods import message, pod_of, started

EXAMPLES = ROOT / "examples/kubernetes"
ROLE, IDENTITY_TOKEN = "arn:aws:iam::123456789012:role/image-builder", "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"


def example(name: str) -> Any:
    return pod_of((EXAMPLES / name).read_text())


JOBS = {
    "job.yaml": ("registry.example.com/team/app:1.0", "takeover"),
    "job-restricted.yaml": ("registry.example.com/team/app:1.0", "traced"),
    "pod.yaml": ("gcr.io/my-project/app:1.0", "takeover"),
    "gke.yaml": ("us-docker.pkg.dev/my-project/images/app:1.0", "takeover"),
}


@pytest.mark.parametrize("name", JOBS)
def test_the_example_builds_pushes_and_leaves_the_image_as_its_message(name: str, world: World, tmp_path: Path) -> None:
    reference, sandbox = JOBS[name]
    result = world.play(example(name), tmp_path)
    assert result.finished.code == 0, result.finished.output
    assert f"sandbox {sandbox}: chosen" in result.finished.output
    digest, image = world.pulled(reference, tmp_path)
    check(image)
    repository = reference.rpartition(":")[0]
    assert json.loads(result.message) == {"image": f"{repository}@{digest}", "digest": digest, "tags": [reference]}
    # A mounted volume stays where it is under takeover: then masu says whose secrets a command can read.
    mounted = {"pod.yaml": "/secret/kaniko-secret.json", "gke.yaml": ""}.get(name, "/kaniko/.docker/.dockerconfigjson")
    can_read = bool(mounted) and sandbox == "takeover"
    assert (f"can read '{mounted}'" in result.finished.output) == can_read
    assert (image.files["/tmp/seen"].size > 0) == can_read


def test_googles_key_at_secret_is_what_the_classic_pod_logs_in_with(world: World, tmp_path: Path) -> None:
    before = len(world.asked)
    assert world.play(example("pod.yaml"), tmp_path).finished.code == 0
    assert len(world.asked) > before
    assert world.tokens.asked[-1].user == LOGIN[0]


def test_the_role_of_an_eks_service_account_logs_in_at_ecr(world: World, tmp_path: Path) -> None:
    """With what EKS' webhook adds to a pod with such an account."""
    (tmp_path / "token").write_text("a.web.identity")
    env = {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": IDENTITY_TOKEN, "AWS_REGION": "eu-west-1",
           "AWS_STS_REGIONAL_ENDPOINTS": "regional"}  # fmt: skip
    result = world.play(example("eks.yaml"), tmp_path, env=env, files={IDENTITY_TOKEN: tmp_path / "token"})
    assert result.finished.code == 0, result.finished.output
    check(world.pulled(f"{ECR}/team/app:1.0", tmp_path)[1])


def test_a_build_takes_the_layers_of_its_base_from_the_warmers_volume(world: World, tmp_path: Path) -> None:
    """Docker Hub is asked what the name means today, and for no blob."""
    pod = example("job-warmed.yaml")
    new = ["--destination=registry.example.com/team/warmed:1", "--cache-repo=registry.example.com/team/warmed/cache"]
    pod["spec"]["containers"][0]["args"].extend(new)  # no layer of another test makes the base needless
    try:
        before = len(world.fetched)
        warmed = world.play(example("warmer.yaml"), tmp_path)
        assert warmed.finished.code == 0, warmed.finished.output
        fetched = len(world.fetched)
        assert fetched > before
        result = world.play(pod, tmp_path)
        assert result.finished.code == 0, result.finished.output
        assert world.fetched[fetched:] == []
        check(world.pulled("registry.example.com/team/warmed:1", tmp_path)[1])
    finally:
        world.cluster.podman("volume", "rm", "--force", "base-images")


def test_a_pod_that_fails_says_why_in_its_message(world: World, tmp_path: Path) -> None:
    pod = example("job.yaml")
    pod["spec"]["containers"][0]["args"].append("--target=nowhere")
    result = world.play(pod, tmp_path)
    assert result.finished.code == 1
    assert result.message.startswith("error: ")
    assert "nowhere" in result.message


def test_a_pod_that_is_ended_leaves_a_whole_image_or_none_and_the_next_one_works(world: World, tmp_path: Path) -> None:
    """SIGTERM and thirty seconds, as Kubernetes gives; masu takes no such time."""
    run = "echo at-$((6 * 7)); while :; do sleep 1; done"
    context = write_context(tmp_path / "context", f"FROM busybox\nRUN {run}\n")
    pod = example("job.yaml")
    pod["spec"]["containers"][0]["args"] = ["--context=/case", "--destination=registry.example.com/team/ended:1"]
    podman = world.cluster.podman
    cluster = world.with_files(tmp_path, {"/case": context})
    with started(cluster, pod) as name:
        logs = subprocess.Popen(
            podman.argv("logs", "--follow", name), env=podman.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert logs.stdout
        assert any(b"at-42" in line for line in logs.stdout)
        begun = time.monotonic()
        podman("stop", "--time=30", name)
        assert time.monotonic() - begun < 15
        assert podman("inspect", "--format={{.State.ExitCode}}", name).output.strip() == "143"
        logs.kill()
        logs.communicate()
    assert message(cluster).startswith(f"error: terminated by SIGTERM during [stage 1/1, step 1/1] RUN {run}\nhint: ")
    login = requests.auth.HTTPBasicAuth(*world.logins["registry.example.com"].split(":"))
    url = f"http://{world.registries['registry.example.com']}/v2/team/ended/manifests/1"
    assert requests.get(url, auth=login, timeout=30).status_code == 404
    pod = example("job.yaml")
    pod["spec"]["containers"][0]["args"].append("--destination=registry.example.com/team/ended:1")
    assert world.play(pod, tmp_path).finished.code == 0
    check(world.pulled("registry.example.com/team/ended:1", tmp_path)[1])


def test_the_readmes_pod_brings_a_new_user_to_a_pushed_image(world: World, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("### Kubernetes")[2]
    found = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert found
    result = world.play(pod_of(found[1]), tmp_path)
    assert result.finished.code == 0, result.finished.output
    check(world.pulled("registry.example.com/team/app:1.0", tmp_path)[1])
