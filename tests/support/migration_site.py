"""Where migrated CI files run: every host that they name is a server of this machine, in a network of containers of its own.

The network is that of one sleeping container, which others share: /etc/hosts, the metadata server's address, and TLS with a
certificate for all names. What is pushed, to whichever host, lies in one directory, which is emptied between two files.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from steps import IMAGE
from tests.support.answers import serve_answers
from tests.support.busybox import make_root
from tests.support.certificates import make_identity
from tests.support.cloud_build import LOGIN, guarded, metadata
from tests.support.cluster import made, secrets, serve_directory, tokens_for_keys
from tests.support.engine import Engine
from tests.support.masu import Masu, shell, write_context
from tests.support.network import METADATA, open_network
from tests.support.registry import htpasswd, serve_registry
from tests.support.stores import serve_gcs
from tests.support.tokens import TokenServer, serve_tokens

GOOGLE = ("gcr.io", "europe-west1-docker.pkg.dev")
"""Registries that want Google's tokens."""
LOCKED = ("ghcr.io", "registry.gitlab.test")
"""Registries that want USER and PASSWORD."""
OPEN = ("registry-1.docker.io", "registry.example.com", "registry.internal", "mirror.internal")
USER, PASSWORD = "octo", "registry-pass-2214"
LOGINS = json.dumps({"auths": {host: {"username": USER, "password": PASSWORD} for host in LOCKED}})
BASES = ("library/alpine", "library/debian", "distroless/static-debian12")
DOCKERFILE = "FROM scratch\nADD root.tar /\nRUN echo made > /made\n"
PLAIN = "FROM scratch\nADD root.tar /\n"
"""Without a RUN: for the platform of another machine."""
FOLDERS = ("", "api", "web", "a", "b", "app", "docker")
"""Of the repository; each has a Dockerfile."""
_HOSTS = (*GOOGLE, *LOCKED, *OPEN, "github.com", "storage.googleapis.com", "oauth2.googleapis.com", "tokens.pkg.dev")
_TRUST = "/kaniko/ssl/certs/the-test-servers.crt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """An image of the registry: the names in its layers, and what its config says."""

    layers: int
    names: frozenset[str]
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`images` are masu's in the engine, by the names that are in the files; `network` is docker's word for the one to run in.

    `source` is a repository's work tree; `secrets` are a cluster's, by name and file.
    """

    engine: Engine
    images: Mapping[str, str]
    network: str
    certificate: Path
    source: Path
    registry: str
    data: Path
    secrets: Mapping[str, Mapping[str, str]]

    @property
    def trust(self) -> str:
        """An option of `docker run`: the servers' certificate where masu's image looks for it."""
        return f"--volume={self.certificate}:{_TRUST}:ro"

    def named(self, text: str) -> str:
        """A file's text with masu's images as the engine has them."""
        for name, ours in self.images.items():
            text = text.replace(name, ours)
        return text

    def without_run(self, directory: Path) -> Place:
        """With a work tree whose image can be built for any platform."""
        source = self.copy(directory)
        (source / "Dockerfile").write_text(PLAIN)
        return replace(self, source=source)

    def copy(self, directory: Path) -> Path:
        """The work tree once more, for a run that writes into it."""
        return Path(shutil.copytree(self.source, directory, symlinks=True))

    def forget(self) -> None:
        """Empties the registries; base images stay."""
        for path in reversed(self._repositories()):  # those within others first
            shutil.rmtree(path)

    def pushed(self) -> set[str]:
        """REPOSITORY:TAG of all that isn't a base; of a cache only the repository."""
        names = set[str]()
        for path in self._repositories():
            name = str(path.relative_to(self.data))
            names |= {name} if path.name == "cache" else {f"{name}:{tag.name}" for tag in (path / "_manifests/tags").iterdir()}
        return names

    def _repositories(self) -> list[Path]:
        found = sorted(path.parent for path in self.data.rglob("_manifests"))
        return [path for path in found if str(path.relative_to(self.data)) not in BASES]

    def image(self, name: str) -> Built:
        repository, _, tag = name.rpartition(":")
        manifest = self._get(f"{repository}/manifests/{tag}").json()
        layers = [self._get(f"{repository}/blobs/{layer['digest']}").content for layer in manifest["layers"]]
        names = {name for layer in layers for name in _names(layer)}
        config = self._get(f"{repository}/blobs/{manifest['config']['digest']}").json()
        return Built(layers=len(layers), names=frozenset(names), config=config)

    def _get(self, path: str) -> requests.Response:
        accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
        answer = requests.get(f"http://{self.registry}/v2/{path}", headers={"Accept": accept}, timeout=30)
        answer.raise_for_status()
        return answer


def _names(layer: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        return archive.getnames()


@contextmanager
def open_place(engine: Engine, directory: Path, *, image: str, debug_image: str) -> Iterator[Place]:
    """All servers and the network; `image` and `debug_image` are masu's in the engine."""
    directory.chmod(0o755)
    identity = make_identity(made(directory / "tls"), hosts=_HOSTS)
    source = _source(directory)
    with ExitStack() as stack:
        tokens = stack.enter_context(serve_tokens(TokenServer(identity=make_identity(directory), users=dict([LOGIN]))))
        near, tokens.url = tokens.url.removeprefix("http://"), "https://tokens.pkg.dev"
        data = directory / "registry"
        auths = {GOOGLE: tokens.auth, LOCKED: htpasswd(directory, {USER: PASSWORD}), OPEN: None}
        routes = {
            host: server
            for hosts, auth in auths.items()
            for server in [stack.enter_context(serve_registry(made(data), auth=auth)).host]
            for host in hosts
        }
        _add_bases(routes[OPEN[0]], directory)
        bucket = stack.enter_context(serve_gcs(directory))
        for name in ("bucket", "my-sources"):
            _fill(bucket, name, Path(shutil.make_archive(f"{directory}/{name}", "gztar", source)))
        routes |= {
            "tokens.pkg.dev": near,
            "storage.googleapis.com": stack.enter_context(serve_answers(guarded, upstream=bucket)).host,
            "oauth2.googleapis.com": stack.enter_context(serve_answers(tokens_for_keys)).host,
            "github.com": stack.enter_context(_repository(source, directory)),
        }
        options = ["--entrypoint=/busybox/sh", *(f"--add-host={host}:127.0.0.1" for host in _HOSTS)]
        options.append(f"--add-host=metadata.google.internal:{METADATA}")
        sleeping = ("-c", "while :; do sleep 1000; done")
        holder = stack.enter_context(engine.container(debug_image, *sleeping, options=options, network="none"))
        network = stack.enter_context(open_network(container=holder.pid()))
        network.forward_tls("127.0.0.1", 443, identity, to=routes)
        network.forward(METADATA, 80, to=stack.enter_context(serve_answers(metadata)).host)
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = {".dockerconfigjson": json.dumps({"auths": {host: {"auth": login} for host in LOCKED}})}
        yield Place(
            engine=engine,
            images={f"{IMAGE}:latest": image, f"{IMAGE}:debug": debug_image},
            network=f"container:{holder.name}",
            certificate=identity.certificate_path,
            source=source,
            registry=routes[OPEN[0]],
            data=data / "data/docker/registry/v2/repositories",
            secrets={**secrets(directory), "regcred": config, "docker-credentials": config},
        )


def _source(directory: Path) -> Path:
    """A repository's work tree."""
    root = make_root(directory / "root")
    subprocess.run(["tar", "-C", root, "-czf", directory / "root.tar", "."], check=True)
    source = directory / "source"
    for folder in FOLDERS:
        write_context(source / folder, DOCKERFILE, {"root.tar": (directory / "root.tar").read_bytes()})
    (source / "Dockerfile2").write_text(DOCKERFILE)
    return source


def _add_bases(registry: str, directory: Path) -> None:
    """Base images that the files name, each of them busybox."""
    context = write_context(directory / "bases", PLAIN, {"root.tar": (directory / "root.tar").read_bytes()})
    tags = {"library/debian": "12"}
    names = [f"{registry}/{name}:{tags.get(name, 'latest')}" for name in BASES]
    masu = Masu(state=directory / "state")
    done = masu("build", *(word for name in names for word in ("--destination", name)), context)
    assert done.returncode == 0, done.stderr


def _fill(bucket: str, name: str, archive: Path) -> None:
    requests.post(f"http://{bucket}/storage/v1/b", json={"name": name}, timeout=30).raise_for_status()
    url = f"http://{bucket}/upload/storage/v1/b/{name}/o?uploadType=media&name=context.tar.gz"
    requests.post(url, data=archive.read_bytes(), timeout=30).raise_for_status()


def _repository(source: Path, directory: Path) -> Any:
    """A server with the work tree as owner/app, with and without `.git`."""
    bare = directory / "www/owner/app.git"
    bare.parent.mkdir(parents=True)
    git = ["git", f"--git-dir={bare}", f"--work-tree={source}", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"], ["update-server-info"]):
        shell([*git, *words])
    (directory / "www/owner/app").symlink_to("app.git")
    return serve_directory(directory / "www")
