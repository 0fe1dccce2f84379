"""Cloud Build's worker, rebuilt from Google's own (GoogleCloudPlatform/cloud-build-local: build/build.go, subst, runner):
the steps of a cloudbuild.yaml run as it runs them, with its argv of `docker run`, in its network.

What isn't the worker's: `--privileged` is all that it gives but CAP_SYS_RESOURCE, which not every machine has; images of steps
are ones of this machine; and each step trusts the certificate of the servers that stand for Google's.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.answers import Answer, Question, serve_answers
from tests.support.bases import CACHE
from tests.support.certificates import make_identity
from tests.support.engine import Engine, Finished
from tests.support.network import METADATA, open_network
from tests.support.profiles import PRIVILEGED

PROJECT, TOKEN = "my-project", "ya29.cloud-build-token"
LOGIN = ("oauth2accesstoken", TOKEN)
"""What Google's registries take: this name and a token of the metadata server."""
_SUBNET = "169.254.169.0/24"
_SCRIPT = "/builder/script"
"""Where a step's script is in its container is Cloud Build's own affair."""
_BUILT_IN = {"PROJECT_ID": PROJECT, "PROJECT_NUMBER": "123456789012", "BUILD_ID": "0b1c", "LOCATION": "europe-west1"}
_OF_TRIGGERS = {
    "SHORT_SHA": "5eed1e5",
    "COMMIT_SHA": "5eed1e5" + "0" * 33,
    "BRANCH_NAME": "main",
    "TAG_NAME": "",
    "REPO_NAME": "app",
}
"""Empty in a build that a trigger hasn't started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How one ended, and what it left in $BUILDER_OUTPUT, by name."""

    finished: Finished
    outputs: Mapping[str, bytes]

    def images(self) -> list[dict[str, str]]:
        """As Cloud Build reads them: a JSON object a line, no others."""
        return [json.loads(line) for line in self.outputs.get("images", b"").decode().splitlines()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """`images` are this machine's by the name of a step's; `asked` has what the metadata server was asked."""

    engine: Engine
    network: str
    certificate: Path
    images: Mapping[str, str]
    asked: list[Question]
    directory: Path

    @contextlib.contextmanager
    def build(
        self, config: str, source: Path | None, *, substitutions: Mapping[str, str] | None = None, triggered: bool = True
    ) -> Iterator[Build]:
        """One build of `config`, a cloudbuild.yaml's text, with /workspace filled from `source`; nothing of it is left.

        Who isn't `triggered` is a user's `gcloud builds submit`.
        """
        document = yaml.safe_load(config)
        values = substituted_values(document, substitutions or {}, triggered=triggered)
        name = f"masu-build-{uuid.uuid4().hex[:12]}"
        build = Build(worker=self, document=substitute(document, values), name=name)
        try:
            for volume in (build.workspace, build.home):
                assert self.engine("volume", "create", volume).code == 0
            if source is not None:
                build.put(source)
            yield build
        finally:
            self.engine("volume", "rm", "--force", build.workspace, build.home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    worker: Worker
    document: Any
    name: str

    @property
    def workspace(self) -> str:
        return f"{self.name}-workspace"

    @property
    def home(self) -> str:
        return f"{self.name}-home"

    def put(self, source: Path) -> None:
        """Copy a tree's content into /workspace."""
        engine, (image, *_) = self.worker.engine, self.worker.images.values()
        name = f"{self.name}-source"
        made = engine("create", "--name", name, "--volume", f"{self.workspace}:/workspace", image)
        assert made.code == 0, made.output
        copied = engine("cp", f"{source}/.", f"{name}:/workspace")
        engine("rm", name)
        assert copied.code == 0, copied.output

    def get(self, path: str, directory: Path) -> bytes:
        """A file of /workspace."""
        engine, (image, *_) = self.worker.engine, self.worker.images.values()
        name = f"{self.name}-source"
        assert engine("create", "--name", name, "--volume", f"{self.workspace}:/workspace", image).code == 0
        copied = engine("cp", f"{name}:{path}", directory / "got")
        engine("rm", name)
        assert copied.code == 0, copied.output
        return (directory / "got").read_bytes()

    def run(self) -> list[Step]:
        """All steps in order, until one fails."""
        done: list[Step] = []
        for index in range(len(self.document["steps"])):
            done.append(self.run_step(index))
            if done[-1].finished.code:
                break
        return done

    def run_step(self, index: int, *, timeout: float = 600) -> Step:
        argv, outputs = self.argv(index)
        try:
            finished = self.worker.engine(*argv, timeout=timeout)
        finally:
            self.kill(index)
        outputs.chmod(0o700)
        return Step(finished=finished, outputs={path.name: path.read_bytes() for path in outputs.iterdir()})

    def start_step(self, index: int) -> subprocess.Popen[bytes]:
        """Begin a step; what it prints comes through the process's standard output."""
        argv, _ = self.argv(index)
        engine = self.worker.engine
        return subprocess.Popen(
            engine.argv(*argv), env=engine.env(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def kill(self, index: int) -> None:
        """As on cancel and time-out (cleanBuildSteps): no signal before."""
        self.worker.engine("rm", "--force", self._container(index))

    def argv(self, index: int) -> tuple[list[str], Path]:
        """dockerRunArgs of build/build.go, and the directory bound to $BUILDER_OUTPUT."""
        step = self.document["steps"][index]
        outputs = self.worker.directory / f"{self.name}-{index}-{uuid.uuid4().hex[:6]}"
        outputs.mkdir()
        outputs.chmod(0o100)  # os.FileMode(os.O_CREATE): root alone gets in, and by CAP_DAC_OVERRIDE
        words = ["run", "--rm", "--name", self._container(index), *_socket(self.worker.engine), *PRIVILEGED]
        words += ["--volume", f"{self.workspace}:/workspace", "--workdir", str(Path("/workspace", step.get("dir", "")))]
        words += ["--volume", f"{self.home}:/builder/home", "--env", "HOME=/builder/home", "--network", self.worker.network]
        words += ["--volume", f"{outputs}/:/builder/outputs", "--env", "BUILDER_OUTPUT=/builder/outputs"]
        options = self.document.get("options", {})
        for variable in (*options.get("env", ()), *step.get("env", ()), *self._secrets(step)):
            words += ["--env", variable]
        for volume in (*options.get("volumes", ()), *step.get("volumes", ())):
            words += ["--volume", f"{self.name}-{volume['name']}:{volume['path']}"]
        words += ["--volume", f"{self.worker.certificate}:/kaniko/ssl/certs/the-test-servers.crt:ro"]
        if "script" in step:
            words += ["--volume", f"{_script(step['script'], outputs)}:{_SCRIPT}:ro", "--entrypoint", _SCRIPT]
        elif "entrypoint" in step:
            words += ["--entrypoint", step["entrypoint"]]
        return [*words, self.worker.images[step["name"]], *map(str, step.get("args", ()))], outputs

    def _secrets(self, step: Any) -> Iterator[str]:
        """Secret Manager's, each with its version's resource name as its value."""
        known = self.document.get("availableSecrets", {}).get("secretManager", ())
        values = {secret["env"]: f"value of {secret['versionName']}" for secret in known}
        return (f"{name}={values[name]}" for name in step.get("secretEnv", ()))

    def _container(self, index: int) -> str:
        return f"{self.name}-step_{index}"


def _script(text: str, outputs: Path) -> Path:
    """A file beside the step's outputs: a script without a first line of its own is one for /bin/sh."""
    path = outputs.with_name(f"{outputs.name}.script")
    path.write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path


def _socket(engine: Engine) -> Sequence[str]:
    """The worker's own Docker, which every step could use."""
    return ("--volume", f"{engine.command[-1].removeprefix('unix://')}:/var/run/docker.sock")


@contextlib.contextmanager
def open_worker(
    engine: Engine, directory: Path, *, images: Mapping[str, str], holder: str, routes: Mapping[str, str]
) -> Iterator[Worker]:
    """`routes` are https hosts and the plain servers (HOST:PORT) behind them; `holder` is an image with a shell.

    The network is an internal one, in which a container has the metadata server's address and every host's name; a machine has
    place for one, so that others wait.
    """
    directory.mkdir(exist_ok=True)
    directory.chmod(0o755)
    identity = make_identity(directory, hosts=list(routes))
    aliases = ["metadata", "metadata.google.internal", *routes]
    options = [f"--ip={METADATA}", *(f"--network-alias={name}" for name in aliases)]
    sleeping = ("sh", "-c", "while :; do sleep 1000; done")
    with (
        _network(engine) as network,
        serve_answers(metadata) as near,
        engine.container(holder, *sleeping, options=options, network=network) as container,
        open_network(container=container.pid()) as opened,
    ):
        opened.forward_tls(METADATA, 443, identity, to=routes)
        opened.forward(METADATA, 80, to=near.host)
        certificate, asked = identity.certificate_path, near.asked
        yield Worker(engine=engine, network=network, certificate=certificate, images=images, asked=asked, directory=directory)


@contextlib.contextmanager
def _network(engine: Engine) -> Iterator[str]:
    """An internal network around the metadata server's address; what a killed test has left of one is removed first."""
    name = "masu-cloudbuild"
    with (CACHE / "cloud-build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for container in engine("ps", "--all", "--quiet", "--filter", f"network={name}").output.split():
            engine("rm", "--force", container)
        engine("network", "rm", name)
        created = engine("network", "create", "--internal", "--subnet", _SUBNET, name)
        assert created.code == 0, created.output
        try:
            yield name
        finally:
            engine("network", "rm", name)


def guarded(question: Question) -> Answer | None:
    """What Cloud Storage answers to whom the token isn't shown; others are passed on."""
    if question.headers.get("authorization") == f"Bearer {TOKEN}":
        return None
    return Answer(document={"error": {"code": 401, "message": "Anonymous caller does not have storage.objects.get"}}, status=401)


def metadata(question: Question) -> Answer:
    """The metadata server's answers, as google-auth asks; who doesn't say `Metadata-Flavor` is refused, as there."""
    flavor = {"Metadata-Flavor": "Google"}
    if question.path == "/":
        return Answer(document="computeMetadata/\n", headers=flavor)
    if question.headers.get("metadata-flavor") != "Google":
        return Answer(document="Missing Metadata-Flavor:Google header.", status=403)
    path = question.path.removeprefix("/computeMetadata/v1/")
    account = f"{PROJECT}@cloudbuild.gserviceaccount.com"
    texts = {"project/project-id": PROJECT, "project/numeric-project-id": "1234", "universe/universe-domain": "googleapis.com"}
    if path in texts:
        return Answer(document=texts[path], headers=flavor)
    for name in ("default", account):
        base = f"instance/service-accounts/{name}"
        if path == f"{base}/token":
            return Answer(document={"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}, headers=flavor)
        if path == f"{base}/":
            scopes = ["https://www.googleapis.com/auth/cloud-platform"]
            return Answer(document={"aliases": ["default"], "email": account, "scopes": scopes}, headers=flavor)
        if path == f"{base}/email":
            return Answer(document=account, headers=flavor)
    return Answer(document="not found", status=404, headers=flavor)


# --- substitutions -----------------------------------------------------------------------------------------------------------


def substituted_values(document: Any, given: Mapping[str, str], *, triggered: bool) -> dict[str, str]:
    """Cloud Build's own, the build's, and those of the caller, which may name one another with `dynamicSubstitutions`.

    One that is declared and used nowhere fails the build, as Cloud Build's MUST_MATCH does.
    """
    declared = {name: str(value) for name, value in document.get("substitutions", {}).items()}
    assert all(re.fullmatch(r"_[A-Z0-9_]+", name) for name in (*declared, *given)), "a user's substitution begins with _"
    text = json.dumps({**document, "substitutions": list(declared.values())})
    unused = [name for name in declared if not re.search(rf"\$(\{{{name}\}}|{name}\b)", text)]
    assert not unused, f"cloudbuild: keys {unused} in the substitution data are not matched in the template"
    values = {**_BUILT_IN, **{name: value if triggered else "" for name, value in _OF_TRIGGERS.items()}, **declared, **given}
    if document.get("options", {}).get("dynamicSubstitutions"):
        for _ in declared:  # as deep as they can be nested
            values = {name: _replaced(value, values) for name, value in values.items()}
    return values


def substitute(document: Any, values: Mapping[str, str]) -> Any:
    """The build with its substitutions made where the proto says they are: not in `script`."""
    steps = [_in_step(step, values) for step in document["steps"]]
    images = [_replaced(name, values) for name in document.get("images", ())]
    options = {**document.get("options", {})}
    options["env"] = [_replaced(text, values) for text in options.get("env", ())]
    secrets = json.loads(json.dumps(document.get("availableSecrets", {})))
    for secret in secrets.get("secretManager", ()):
        secret["versionName"] = _replaced(secret["versionName"], values)
    return {**document, "steps": steps, "images": images, "options": options, "availableSecrets": secrets}


def _in_step(step: Any, values: Mapping[str, str]) -> Any:
    changed = {**step}
    for key in ("name", "dir", "entrypoint"):
        if key in step:
            changed[key] = _replaced(step[key], values)
    for key in ("args", "env"):
        if key in step:
            changed[key] = [_replaced(str(text), values) for text in step[key]]
    return changed


def _replaced(text: str, values: Mapping[str, str]) -> str:
    """`$$` is a dollar; a name that isn't known fails the build, as Cloud Build's MUST_MATCH does."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        name = match[1] or match[2]
        assert name in values, f"cloudbuild: key {name!r} in the template is not a valid built-in substitution"
        return values[name]

    return re.sub(r"\$\$|\$\{([A-Za-z0-9_]+)\}|\$([A-Z_][A-Z0-9_]*)", value, text)
