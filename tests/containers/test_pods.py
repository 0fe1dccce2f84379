"""The pods of examples/kubernetes are played by podman: they fetch a repository, run commands, log in and push."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.bases import serve_bases
from tests.support.engine import Engine, start_podman_engine
from tests.support.images import read_image
from tests.support.masu import ROOT, shell, write_context
from tests.support.pods import Played, play
from tests.support.registry import RunningRegistry, htpasswd, serve_registry
from tests.support.step_image import step_image

EXAMPLES = ROOT / "examples/kubernetes"
POD, RESTRICTED = EXAMPLES / "pod.yaml", EXAMPLES / "pod-restricted.yaml"
PASSWORD, KEY = "registry-pass-7351", "google-key-9924"
DOCKERFILE = """\
FROM {base}
RUN echo built > /built && chown 1000:50 /built && id -u > /uid && ln /built /again
COPY --chown=app:staff app.sh /app/
USER app
RUN sh /app/app.sh
RUN cat /kaniko/.docker/* /secret/* > /tmp/seen 2>/dev/null || true
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def podman() -> Engine:
    return start_podman_engine()


@pytest.fixture(scope="module")
def image(podman: Engine) -> str:
    return podman.load(step_image(debug=False))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """It wants a password."""
    directory = tmp_path_factory.mktemp("registry")
    with serve_registry(directory, auth=htpasswd(directory, {"builder": PASSWORD})) as running:
        yield running


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The URL of a repository with an application, by HTTP."""
    with serve_bases(debian=False) as bases:
        text = DOCKERFILE.format(base=bases.references()["busybox"])
        tree = write_context(tmp_path / "tree", text, {"app.sh": "echo hello > /tmp/hello\n"})
        git = ["git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@example.org"]
        for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
            subprocess.run([*git, *arguments], check=True)
        shell(["git", "clone", "-q", "--bare", tree, tmp_path / "www/team/app.git"])
        shell(["git", "-C", tmp_path / "www/team/app.git", "update-server-info"])
        handler = functools.partial(_Quiet, directory=str(tmp_path / "www"))
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()


def played(pod: Path, podman: Engine, image: str, registry: RunningRegistry, repository: str, directory: Path) -> Played:
    values = {
        "registry.example.com/tools/masu:latest": image,
        "https://git.example.com": repository,
        "registry.example.com": registry.host,
    }
    config = json.dumps({"auths": {registry.host: {"username": "builder", "password": PASSWORD}}})
    secrets = {"registry-login": {"config.json": config}, "google-key": {"key.json": json.dumps({"private_key": KEY})}}
    return play(podman, pod, directory, values=values, secrets=secrets)


@pytest.mark.parametrize(("pod", "sandbox"), [(POD, "takeover"), (RESTRICTED, "traced")], ids=["default", "restricted"])
def test_the_pod_of_the_example_builds_and_pushes(
    pod: Path, sandbox: str, podman: Engine, image: str, registry: RunningRegistry, repository: str, tmp_path: Path
) -> None:
    result = played(pod, podman, image, registry, repository, tmp_path)
    assert result.finished.code == 0, result.finished.output
    assert f"sandbox {sandbox}: chosen" in result.finished.output
    name = f"docker://{registry.host}/team/app:1.0"
    login = ["--src-tls-verify=false", f"--src-creds=builder:{PASSWORD}"]
    shell(["skopeo", "copy", "--preserve-digests", *login, name, f"oci:{tmp_path}/layout"])
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert result.message.strip() == index["manifests"][0]["digest"]
    files = read_image(tmp_path / "layout").files
    assert [(files[path].uid, files[path].gid) for path in ("/built", "/app/app.sh", "/tmp/hello")] == [
        (1000, 50), (1000, 50), (1000, 1000),
    ]  # fmt: skip
    assert files["/again"].links == ("/again", "/built")
    # A mounted volume stays where it is under takeover: then masu says whose secrets a command can read.
    warned = [
        path for path in ("/kaniko/.docker/config.json", "/secret/key.json") if f"can read '{path}'" in result.finished.output
    ]
    assert len(warned) == (2 if sandbox == "takeover" else 0), result.finished.output
    assert (files["/tmp/seen"].size == 0) == (sandbox == "traced")


@pytest.mark.parametrize("pod", [POD, RESTRICTED], ids=lambda pod: pod.stem)
def test_the_manifests_fit_the_schema_of_kubernetes(pod: Path) -> None:
    assert "INFO" in shell([Path(sys.executable).parent / "kubernetes-validate", "--strict", pod])
