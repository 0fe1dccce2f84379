"""The clouds' libraries in the step image, first asked for when RUNs have put other distributions into `/`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.answers import Answer, Question, serve_answers
from tests.support.certificates import make_identity
from tests.support.engine import Container, Engine
from tests.support.masu import Masu, add_base, write_context
from tests.support.moto import serve_moto
from tests.support.network import METADATA, open_network
from tests.support.registry import htpasswd, serve_registry

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
AWS_API = "api.ecr.eu-west-1.amazonaws.com"
DOCKERFILE = "FROM gcr.io/project/base:1\nRUN echo made-in-the-image > /made\n"


def metadata(question: Question) -> Answer:
    flavor = {"Metadata-Flavor": "Google"}
    if question.path.endswith("/token"):
        return Answer(document={"access_token": "ya29.good", "expires_in": 3600, "token_type": "Bearer"}, headers=flavor)
    if "/service-accounts/" in question.path:
        return Answer(document={"email": "builder@project.iam.gserviceaccount.com", "scopes": []}, headers=flavor)
    return Answer(document="ok", headers=flavor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """`container` has masu and a shell; `registry` is what is behind all names, at HOST:PORT of this machine."""

    container: Container
    registry: str
    masu: Masu


@pytest.fixture(scope="module")
def job(engine: Engine, debug_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    directory = tmp_path_factory.mktemp("clouds")
    directory.chmod(0o755)
    users = htpasswd(directory, {"oauth2accesstoken": "ya29.good", "AWS": "123456789012-auth-token"})
    identity = make_identity(directory, hosts=["gcr.io", ECR, AWS_API])
    with (
        serve_registry(directory, auth=users) as registry,
        serve_moto(directory) as moto,
        serve_answers(metadata) as near,
    ):
        login = registry.host.replace(".", "_").replace(":", "_")
        env = {f"KANIKO_{login}_USER": "AWS", f"KANIKO_{login}_PASSWORD": "123456789012-auth-token"}
        masu = Masu(state=directory / "state", env=env)
        add_base(masu, directory)
        base = write_context(directory / "again", "FROM base\nCOPY Dockerfile /\n")
        assert masu("build", "-d", f"{registry.host}/project/base:1", base).returncode == 0
        context = write_context(directory / "job", DOCKERFILE)
        options = [f"--add-host={name}:127.0.0.1" for name in ("gcr.io", ECR, AWS_API)]
        options += ["--add-host=metadata.google.internal:169.254.169.254", f"--volume={context}:/workspace:ro"]
        options += [f"--volume={identity.certificate_path}:/kaniko/ssl/certs/test.crt:ro"]
        sleeping = ("sh", "-c", "while :; do sleep 1000; done")
        with (
            engine.container(debug_image, *sleeping, options=options, network="none") as container,
            open_network(container=container.pid()) as network,
        ):
            routes = {"gcr.io": registry.host, ECR: registry.host, AWS_API: moto}
            network.forward_tls("127.0.0.1", 443, identity, to=routes)
            network.forward(METADATA, 80, to=near.host)
            yield Job(container=container, registry=registry.host, masu=masu)


def test_a_base_comes_from_google_and_the_image_goes_to_amazon_after_a_run(job: Job) -> None:
    """Amazon's library is loaded when the RUN has been: the place to push to isn't tried before."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
    words = ("--sandbox=takeover", "--skip-push-permission-check", f"--destination={ECR}/team/app:1")
    done = job.container("/kaniko/executor", *words, env=keys)
    assert done.code == 0, done.output
    assert job.masu("pull", f"{job.registry}/team/app:1").returncode == 0
    assert job.masu("run", f"{job.registry}/team/app:1", "cat", "/made").stdout == "made-in-the-image\n"


_ALL = """
import sys, os
sys.path.append("/kaniko/lib/python3.11/site-packages")
import boto3, botocore.session, google.auth, google.auth.compute_engine, google.auth.identity_pool, google.oauth2.service_account
import google.cloud.storage, azure.storage.blob
for service in ("s3", "sts", "ecr", "ecr-public", "sso", "sso-oidc"):
    boto3.client(service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
code = [line for line in open("/proc/self/maps") if "/" in line and "x" in line.split()[1]]
print("foreign:", sorted({line.split()[-1] for line in code if " /kaniko/" not in line}))
"""


def test_all_their_libraries_can_be_loaded_from_the_images_own_directory(job: Job) -> None:
    done = job.container("/kaniko/bin/python3.11", "-BIS", "-c", _ALL)
    assert done.output == "foreign: []\n"
