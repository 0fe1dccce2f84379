"""examples/cloudbuild as they stand, run as Cloud Build's worker runs them, against registries that want Google's tokens."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.support.answers import serve_answers
from tests.support.bases import serve_bases
from tests.support.certificates import make_identity
from tests.support.cloud_build import LOGIN, PROJECT, Step, Worker, guarded, open_worker
from tests.support.engine import Engine
from tests.support.images import Image, differences, read_image
from tests.support.masu import ROOT, Masu, shell, write_context
from tests.support.registry import serve_registry
from tests.support.stores import serve_gcs
from tests.support.tokens import TokenServer, serve_tokens

EXAMPLES = ROOT / "examples/cloudbuild"
ARTIFACTS, CONTAINERS, STORAGE = "us-docker.pkg.dev", "gcr.io", "storage.googleapis.com"
HUB, TOKENS = "registry-1.docker.io", "tokens.pkg.dev"
MASU = f"{ARTIFACTS}/{PROJECT}/masu/masu:latest"
PYTHON = "python:3.11-bookworm"
TAG = "5eed1e5"
DOCKERFILE = """\
FROM busybox
ARG VERSION=none
RUN --mount=type=secret,id=token cat /run/secrets/token > /dev/null 2>&1; echo "made $VERSION" > /made && chown 7:8 /made
RUN --mount=type=cache,target=/downloads echo kept >> /downloads/file
COPY . /app/
ENV MODE=production
CMD ["cat", "/made"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """`registry` (HOST:PORT) has, without asking who one is, what is behind Google's names; `bucket` is HOST:PORT, too."""

    worker: Worker
    registry: str
    hub: str
    tokens: TokenServer
    bucket: str
    source: Path
    masu: Masu

    def run(self, example: str, **substitutions: str) -> list[Step]:
        """All steps of an example; each must succeed."""
        with self.worker.build((EXAMPLES / example).read_text(), self.source, substitutions=substitutions) as build:
            steps = build.run()
        assert [step.finished.code for step in steps] == [0] * len(build.document["steps"]), steps[-1].finished.output
        return steps

    def pulled(self, name: str, directory: Path) -> Image:
        layout = directory / f"layout-{len(list(directory.iterdir()))}"
        shell(
            [
                "skopeo",
                "copy",
                "--preserve-digests",
                "--src-tls-verify=false",
                f"docker://{self.registry}/{name}",
                f"oci:{layout}",
            ]
        )
        return read_image(layout)

    def digest(self, name: str) -> str:
        repository, _, tag = name.rpartition(":")
        answer = requests.head(
            f"http://{self.registry}/v2/{repository}/manifests/{tag}", headers={"Accept": _MANIFEST}, timeout=30
        )
        return answer.headers.get("Docker-Content-Digest", "") if answer.ok else f"status {answer.status_code}"


_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def cloud(engine: Engine, image: str, debug_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("cloud-build")
    directory.chmod(0o755)
    source = write_context(directory / "source", DOCKERFILE, {"file": "content\n", "deploy/Dockerfile": DEPLOYMENT})
    identity = make_identity(directory, name="tokens")
    with ExitStack() as stack:
        tokens = stack.enter_context(serve_tokens(TokenServer(identity=identity, users=dict([LOGIN]))))
        near, tokens.url = tokens.url.removeprefix("http://"), f"https://{TOKENS}"
        (directory / "google").mkdir()
        google = stack.enter_context(serve_registry(directory / "google", auth=tokens.auth)).host
        registry = stack.enter_context(serve_registry(directory / "google")).host  # of the same data
        (directory / "hub").mkdir()
        hub = stack.enter_context(serve_registry(directory / "hub")).host
        bucket = stack.enter_context(serve_gcs(directory))
        storage = stack.enter_context(serve_answers(guarded, upstream=bucket)).host
        bases = stack.enter_context(serve_bases(debian=False))
        base = f"docker://{bases.references()['busybox']}"
        shell(
            [
                "skopeo",
                "copy",
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
                base,
                f"docker://{hub}/library/busybox:latest",
            ]
        )
        masu = Masu(state=directory / "state")
        images = {MASU: image, PYTHON: engine.load(with_make(masu, hub, directory / "make"))}
        routes = {ARTIFACTS: google, CONTAINERS: google, HUB: hub, TOKENS: near, STORAGE: storage}
        worker = stack.enter_context(open_worker(engine, directory / "worker", images=images, holder=debug_image, routes=routes))
        yield Cloud(worker=worker, registry=registry, hub=hub, tokens=tokens, bucket=bucket, source=source, masu=masu)


def with_make(masu: Masu, hub: str, directory: Path) -> Path:
    """A shell and Debian's make as a docker archive, in the place of the image that the project's own build uses."""
    program = shutil.which("make")
    assert program
    for path in (program, *re.findall(r"/\S+", shell(["ldd", program]))):
        target = directory / f"context/tree{path}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    context = write_context(directory / "context", "FROM busybox\nCOPY tree /\n")
    options = ("--no-push", f"--registry-mirror={hub}", f"--tar-path={directory}/make.tar", "--destination=make:1")
    done = masu("build", *options, context)
    assert done.returncode == 0, done.stderr
    return directory / "make.tar"


DEPLOYMENT = "FROM scratch\nCOPY images.txt /\n"


@pytest.fixture(scope="module")
def expected(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The same Dockerfile, built outside of any container."""
    directory = tmp_path_factory.mktemp("expected")
    options = (f"--registry-mirror={cloud.hub}", "--no-push", f"--oci-layout-path={directory}/layout")
    done = cloud.masu("build", *options, cloud.source)
    assert done.returncode == 0, done.stderr
    return read_image(directory / "layout")


def test_the_simple_build_pushes_by_the_accounts_token_and_tells_cloud_build(
    cloud: Cloud, expected: Image, tmp_path: Path
) -> None:
    (step,) = cloud.run("simple.yaml")
    assert "sandbox namespaces: chosen" in step.finished.output
    assert differences(expected, cloud.pulled(f"{PROJECT}/images/app:latest", tmp_path)) == []
    digest, name = cloud.digest(f"{PROJECT}/images/app:latest"), f"{ARTIFACTS}/{PROJECT}/images/app"
    assert step.images() == [{"name": f"{name}:latest", "digest": digest}]
    told = {"image": f"{name}@{digest}", "digest": digest, "tags": [f"{name}:latest"]}
    assert json.loads(step.outputs["output"]) == told
    assert {asked.user for asked in cloud.tokens.asked} == {LOGIN[0]}
    assert any(asked.path.endswith("/service-accounts/default/token") for asked in cloud.worker.asked)
    assert LOGIN[1] not in step.finished.output


def test_a_build_for_kaniko_runs_and_finds_its_layers_again(cloud: Cloud, expected: Image, tmp_path: Path) -> None:
    with cloud.worker.build((EXAMPLES / "kaniko.yaml").read_text(), cloud.source) as build:
        first, second = build.run_step(0), build.run_step(0)
    assert (first.finished.code, second.finished.code) == (0, 0), first.finished.output + second.finished.output
    assert "Using caching version of cmd" not in first.finished.output
    assert "Using caching version of cmd" in second.finished.output
    assert differences(expected, cloud.pulled(f"{PROJECT}/app:{TAG}", tmp_path)) == []


def test_cached_layers_and_cache_mounts_come_back_on_another_worker(cloud: Cloud) -> None:
    (first,), (second,) = cloud.run("cached.yaml"), cloud.run("cached.yaml")
    assert "Using caching version of cmd" not in first.finished.output
    assert "Using caching version of cmd" in second.finished.output
    assert cloud.digest(f"{PROJECT}/images/app:{TAG}") == cloud.digest(f"{PROJECT}/images/app:latest")
    assert [image["name"].rpartition(":")[2] for image in second.images()] == [TAG, "latest"]


def test_one_image_gets_all_its_names_and_the_next_step_its_digest(cloud: Cloud, tmp_path: Path) -> None:
    build, deployment = cloud.run("everywhere.yaml")
    names = [f"{PROJECT}/images/app:{TAG}", f"{PROJECT}/images/app:latest", f"{PROJECT}/app:{TAG}"]
    (digest,) = {cloud.digest(name) for name in names}
    assert [(image["name"].split("/")[0], image["digest"]) for image in build.images()] == [
        (ARTIFACTS, digest), (ARTIFACTS, digest), (CONTAINERS, digest),
    ]  # fmt: skip
    image = cloud.pulled(names[0], tmp_path)
    assert image.config["config"]["Labels"]["org.opencontainers.image.revision"] == TAG + "0" * 33
    assert any("VERSION=5eed1e5" in entry.get("created_by", "") for entry in image.history)
    deployed = cloud.pulled(f"{PROJECT}/images/deployment:{TAG}", tmp_path)
    lines = [f"{ARTIFACTS}/{PROJECT}/images/app@{digest}"] * 2 + [f"{CONTAINERS}/{PROJECT}/app@{digest}"]
    assert deployed.files["/images.txt"].size == len("".join(f"{line}\n" for line in lines))
    assert len(deployment.images()) == 1


def test_the_context_comes_from_a_bucket(cloud: Cloud, expected: Image, tmp_path: Path) -> None:
    bucket = f"{PROJECT}-sources"
    requests.post(f"http://{cloud.bucket}/storage/v1/b", json={"name": bucket}, timeout=30).raise_for_status()
    archive = Path(shutil.make_archive(f"{tmp_path}/app", "gztar", cloud.source))
    url = f"http://{cloud.bucket}/upload/storage/v1/b/{bucket}/o?uploadType=media&name=app.tar.gz"
    requests.post(url, data=archive.read_bytes(), timeout=30).raise_for_status()
    with cloud.worker.build((EXAMPLES / "bucket.yaml").read_text(), None) as build:
        (step,) = build.run()
    assert step.finished.code == 0, step.finished.output
    assert differences(expected, cloud.pulled(f"{PROJECT}/images/app:latest", tmp_path)) == []


def test_every_line_of_a_structured_log_is_json_with_a_severity_and_a_message(cloud: Cloud) -> None:
    (step,) = cloud.run("structured.yaml")
    lines = [json.loads(line) for line in step.finished.output.splitlines()]
    assert {line["severity"] for line in lines} <= {"INFO", "WARNING"}
    assert any(line["message"].startswith("Pushed ") for line in lines)


def test_the_error_that_ends_a_structured_log_is_json_too(cloud: Cloud, tmp_path: Path) -> None:
    source = write_context(tmp_path / "source", "FROM busybox\nRUN echo ::boom:: && exit 3\n")
    with cloud.worker.build((EXAMPLES / "structured.yaml").read_text(), source) as build:
        (step,) = build.run()
    lines = [json.loads(line) for line in step.finished.output.splitlines()]
    assert step.finished.code == 3
    assert (lines[-1]["severity"], "exit code 3" in lines[-1]["message"]) == ("ERROR", True)
    assert "images" not in step.outputs
    assert json.loads(step.outputs["output"])["line"] == 2


def test_a_secret_is_seen_by_its_run_and_by_nobody_else(cloud: Cloud, tmp_path: Path) -> None:
    secret = "value of projects/my-project/secrets/package-token/versions/latest"
    compare = (
        'RUN --mount=type=secret,id=token test "$(cat /run/secrets/token)" = "$(cat /app/expected)" && cat /run/secrets/token'
    )
    dockerfile = f"FROM busybox\nCOPY expected /app/\n{compare}\n"
    source = write_context(tmp_path / "source", dockerfile, {"expected": secret})
    text = (EXAMPLES / "secret.yaml").read_text()
    with cloud.worker.build(text, source) as build:
        (step,) = build.run()
    assert step.finished.code == 0, step.finished.output
    assert secret not in step.finished.output
    assert "***" in step.finished.output


def test_the_readmes_build_brings_a_new_user_to_a_pushed_image(cloud: Cloud, expected: Image, tmp_path: Path) -> None:
    for file, heading in (
        (ROOT / "README.md", "### Google Cloud Build"),
        (EXAMPLES / "README.md", "# masu on Google Cloud Build"),
    ):
        found = re.search(r"```yaml\n(.*?)```", file.read_text().partition(heading)[2], re.DOTALL)
        assert found
        with cloud.worker.build(found[1], cloud.source, triggered=False) as build:
            (step,) = build.run()
        assert step.finished.code == 0, step.finished.output
        (image,) = step.images()
        assert differences(expected, cloud.pulled(image["name"].removeprefix(f"{ARTIFACTS}/"), tmp_path)) == []


def test_the_projects_own_build_starts_its_four_steps(cloud: Cloud, tmp_path: Path) -> None:
    """All that each would do, said by make: doing it takes the better part of an hour. test_make_image.py does the pushing."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    values = {"_IMAGE": "europe-docker.pkg.dev/p/tools/masu", "_TAG": "1.0"}
    with cloud.worker.build((ROOT / "cloudbuild.yaml").read_text(), tmp_path, substitutions=values, triggered=False) as build:
        build.document["options"]["env"].append("MAKEFLAGS=n")
        steps = build.run()
        argv, _ = build.argv(3)
    assert [step.finished.code for step in steps] == [0] * 4, steps[-1].finished.output
    lint, test, image, debug = (step.finished.output.splitlines() for step in steps)
    assert ".venv/bin/ruff check ." in lint
    assert "scripts/make-venv .venv ." in " ".join(lint)
    assert ".venv/bin/pytest -n 2 --dist loadfile" in test
    assert image[-1] == "PUSH=yes scripts/make-image build default"
    assert debug[-1] == "PUSH=yes scripts/make-image build debug"
    assert {"IMAGE_NAME=europe-docker.pkg.dev/p/tools/masu", "IMAGE_TAG=1.0", "BUILDER_OUTPUT=/builder/outputs"} <= set(argv)


# --- what a worker may do to a build -----------------------------------------------------------------------------------------


def test_a_step_that_is_killed_while_it_pushes_leaves_nothing_and_the_next_one_works(
    cloud: Cloud, expected: Image, tmp_path: Path
) -> None:
    """Cloud Build gives no notice: `docker rm -f`."""
    names = [f"{PROJECT}/killed/app:{number}" for number in range(4)]
    text = json.dumps({"steps": [{"name": MASU, "args": [f"--destination={ARTIFACTS}/{name}"]} for name in names]})
    with cloud.worker.build(text, cloud.source) as build:
        start = time.monotonic()
        assert build.run_step(0).finished.code == 0
        whole = time.monotonic() - start
        for index in range(1, len(names)):
            process = build.start_step(index)
            time.sleep(whole * (0.6 + 0.1 * index))  # towards the end, where it pushes
            build.kill(index)
            process.communicate(timeout=60)
            assert cloud.digest(names[index]) == "status 404" or differences(expected, cloud.pulled(names[index], tmp_path)) == []
        assert build.run_step(1).finished.code == 0
    assert differences(expected, cloud.pulled(names[1], tmp_path)) == []


def test_outputs_that_cannot_be_written_are_a_warning(cloud: Cloud, tmp_path: Path) -> None:
    """The worker makes the directory for root alone."""
    text = json.dumps({"steps": [{"name": MASU, "args": [f"--destination={ARTIFACTS}/{PROJECT}/images/app:user"]}]})
    with cloud.worker.build(text, write_context(tmp_path / "source", "FROM scratch\nCOPY Dockerfile /\n")) as build:
        argv, outputs = build.argv(0)
        position = argv.index("--workdir")
        done = cloud.worker.engine(*argv[:position], "--user=1000:1000", *argv[position:])
    assert done.code == 0, done.output
    assert "the image is pushed, but can't be told in '/builder/outputs/images': Permission denied" in done.output
    assert list(outputs.iterdir()) == []
