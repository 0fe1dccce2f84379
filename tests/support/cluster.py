"""A cluster as far as builds meet one: podman plays the pods, in a network where every name of the examples is somebody's:
repositories, buckets, registries that want the tokens of their platform, metadata servers.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

from tests.support.answers import Answer, Question, serve_answers
from tests.support.bases import serve_bases
from tests.support.certificates import make_identity
from tests.support.cloud_build import LOGIN, guarded, metadata
from tests.support.engine import start_podman_engine
from tests.support.images import Image, read_image
from tests.support.masu import shell, write_context
from tests.support.moto import serve_moto
from tests.support.network import METADATA, open_network
from tests.support.pods import Cluster, Played, play
from tests.support.registry import htpasswd, serve_registry
from tests.support.step_image import step_image
from tests.support.stores import serve_gcs
from tests.support.tokens import TokenServer, serve_tokens

MASU, MASU_DEBUG = "registry.example.org/masu:latest", "registry.example.org/masu:debug"
PASSWORD = "registry-pass-7351"
ECR, ECR_PASSWORD = "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "123456789012-auth-token"
DOCKERFILE = """\
FROM busybox
RUN echo built > /built && chown 1000:50 /built && id -u > /uid && ln /built /again
COPY --chown=app:staff app.sh /app/
USER app
RUN sh /app/app.sh
RUN cat /kaniko/.docker/.dockerconfigjson /secret/* > /tmp/seen 2>/dev/null || true
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """`registries` are HOST:PORT by the host in the YAML, with all that was pushed, for who has the login.

    `asked` has what Google's OAuth server was asked, `fetched` the blobs that Docker Hub was asked for.
    """

    cluster: Cluster
    context: Path
    registries: Mapping[str, str]
    logins: Mapping[str, str]
    tokens: TokenServer
    asked: list[Question]
    fetched: list[str]

    def play(self, pod: Any, directory: Path, *, files: Mapping[str, Path] | None = None, **changes: Any) -> Played:
        """To its end, with these `files` beside those of the world."""
        return play(self.with_files(directory, files or {}, **changes), pod)

    def with_files(self, directory: Path, files: Mapping[str, Path], **changes: Any) -> Cluster:
        return replace(self.cluster, directory=directory, files={**self.cluster.files, **files}, **changes)

    def pulled(self, reference: str, directory: Path) -> tuple[str, Image]:
        """Its digest and the image."""
        host, _, path = reference.partition("/")
        options = [
            "--preserve-digests",
            "--src-tls-verify=false",
            *([f"--src-creds={self.logins[host]}"] if host in self.logins else []),
        ]
        shell(["skopeo", "copy", *options, f"docker://{self.registries[host]}/{path}", f"oci:{directory}/layout"])
        (manifest,) = json.loads((directory / "layout/index.json").read_text())["manifests"]
        return manifest["digest"], read_image(directory / "layout")


@contextmanager
def open_world(directory: Path) -> Iterator[World]:
    """All its servers, below `directory`."""
    directory.chmod(0o755)
    podman = start_podman_engine()
    images = {MASU: podman.load(step_image(debug=False)), MASU_DEBUG: podman.load(step_image(debug=True))}
    context = write_context(directory / "tree", DOCKERFILE, {"app.sh": "echo hello > /tmp/hello\n"})
    with ExitStack() as stack:
        tokens = stack.enter_context(serve_tokens(TokenServer(identity=make_identity(directory), users=dict([LOGIN]))))
        near, tokens.url = tokens.url.removeprefix("http://"), "https://tokens.pkg.dev"
        auths = {
            "registry.example.com": htpasswd(made(directory / "plain"), {"builder": PASSWORD}),
            ECR: htpasswd(made(directory / "ecr"), {"AWS": ECR_PASSWORD}),
            "google": tokens.auth,
            "registry-1.docker.io": None,
        }
        hosts = {
            name: stack.enter_context(serve_registry(made(directory / f"at-{name}"), auth=auth)).host
            for name, auth in auths.items()
        }
        readable = stack.enter_context(serve_registry(directory / "at-google")).host  # the same data, asking nobody
        fill_hub(stack, hosts["registry-1.docker.io"])
        amazon, bucket = stack.enter_context(serve_moto(directory)), stack.enter_context(serve_gcs(directory))
        fill_bucket(bucket, context, directory)
        google = stack.enter_context(serve_answers(metadata))
        oauth = stack.enter_context(serve_answers(tokens_for_keys))
        storage = stack.enter_context(serve_answers(guarded, upstream=bucket)).host
        fetched: list[str] = []

        def note(question: Question) -> None:
            if "/blobs/" in question.path:
                fetched.append(question.path)

        routes = {
            **{name: host for name, host in hosts.items() if "." in name},
            "gcr.io": hosts["google"], "us-docker.pkg.dev": hosts["google"], "tokens.pkg.dev": near,
            "storage.googleapis.com": storage, "oauth2.googleapis.com": oauth.host,
            "sts.eu-west-1.amazonaws.com": amazon, "api.ecr.eu-west-1.amazonaws.com": amazon,
            "registry-1.docker.io": stack.enter_context(serve_answers(note, upstream=hosts["registry-1.docker.io"])).host,
            "git.example.com": stack.enter_context(serve_repository(context, directory)),
        }  # fmt: skip
        identity = make_identity(made(directory / "tls"), hosts=list(routes))
        network = stack.enter_context(open_network(hosts=routes))
        network.forward_tls("127.0.0.1", 443, identity, to=routes)
        network.forward(METADATA, 80, to=google.host)
        inside = replace(podman, command=tuple(network.argv(podman.command)))
        cluster = Cluster(
            podman=inside, directory=directory, images=images, secrets=secrets(directory),
            files={"/kaniko/ssl/certs/the-test-servers.crt": identity.certificate_path},
        )  # fmt: skip
        registries = {**routes, "gcr.io": readable, "us-docker.pkg.dev": readable}
        logins = {"registry.example.com": f"builder:{PASSWORD}", ECR: f"AWS:{ECR_PASSWORD}"}
        yield World(
            cluster=cluster,
            context=context,
            registries=registries,
            logins=logins,
            tokens=tokens,
            asked=oauth.asked,
            fetched=fetched,
        )


def made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory


def fill_hub(stack: ExitStack, hub: str) -> None:
    base = f"docker://{stack.enter_context(serve_bases(debian=False)).references()['busybox']}"
    shell(["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", base, f"docker://{hub}/library/busybox:latest"])


def fill_bucket(bucket: str, context: Path, directory: Path) -> None:
    archive = Path(shutil.make_archive(f"{directory}/context", "gztar", context))
    requests.post(f"http://{bucket}/storage/v1/b", json={"name": "my-bucket"}, timeout=30).raise_for_status()
    url = f"http://{bucket}/upload/storage/v1/b/my-bucket/o?uploadType=media&name=context.tar.gz"
    requests.post(url, data=archive.read_bytes(), timeout=30).raise_for_status()


def serve_repository(context: Path, directory: Path) -> Any:
    """A server with the context as team/app.git."""
    work = shutil.copytree(context, directory / "work")
    git = ["git", "-C", str(work), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], check=True)
    shell(["git", "clone", "-q", "--bare", work, directory / "www/team/app.git"])
    shell(["git", "-C", directory / "www/team/app.git", "update-server-info"])
    return serve_directory(directory / "www")


class serve_directory:  # noqa: N801 - a context manager, used as a function
    """HOST:PORT of a server of these files."""

    def __init__(self, directory: Path) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(directory)))

    def __enter__(self) -> str:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def secrets(directory: Path) -> dict[str, dict[str, str]]:
    """As `kubectl create secret` makes them."""
    from cryptography.hazmat.primitives import serialization

    key = make_identity(made(directory / "key")).key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account", "project_id": "my-project", "private_key_id": "1", "private_key": key.decode(),
        "client_id": "1",
        "client_email": "builder@my-project.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
    }  # fmt: skip
    config = json.dumps({"auths": {"registry.example.com": {"username": "builder", "password": PASSWORD}}})
    return {"registry-login": {".dockerconfigjson": config}, "kaniko-secret": {"kaniko-secret.json": json.dumps(account)}}


def tokens_for_keys(question: Question) -> Answer:
    """Google's OAuth server: a token for an assertion that a key has signed."""
    if question.path != "/token" or not question.fields.get("assertion"):
        return Answer(status=400)
    return Answer(document={"access_token": LOGIN[1], "expires_in": 3600, "token_type": "Bearer"})


def check(image: Image) -> None:
    """It is what the Dockerfile says."""
    files = image.files
    owners = [(files[path].uid, files[path].gid) for path in ("/built", "/app/app.sh", "/tmp/hello")]
    assert owners == [(1000, 50), (1000, 50), (1000, 1000)]
    assert files["/again"].links == ("/again", "/built")
