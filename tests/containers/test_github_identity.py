"""GitHub's OIDC token is a job's identity at Google and Amazon: no key is stored, and none is in the image.

The job is as `google-github-actions/auth` and `aws-actions/configure-aws-credentials` leave it; the clouds are stand-ins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import runner
from tests.support.act import HostedRun
from tests.support.answers import Answer, Question, Service, serve_answers
from tests.support.certificates import make_identity
from tests.support.engine import Engine
from tests.support.masu import Masu, add_base, write_context
from tests.support.moto import serve_moto
from tests.support.network import open_network
from tests.support.registry import htpasswd, serve_registry

GOOGLE = "europe-west1-docker.pkg.dev"
ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
AWS_API = "api.ecr.eu-west-1.amazonaws.com"
CLOUD_HOSTS = ("sts.googleapis.com", "iamcredentials.googleapis.com")
OIDC_PORT, OIDC_TOKEN, JWT = 8123, "ghs_oidc_request", "eyJ.job.jwt"
POOL = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/github"


def clouds(question: Question) -> Answer:
    """GitHub's token service, Google's exchange and its impersonation: each wants what the one before has given."""
    if question.path.startswith("/oidc"):
        is_right = question.headers.get("authorization") == f"Bearer {OIDC_TOKEN}" and question.fields["audience"] == POOL
        return Answer(document={"value": JWT}) if is_right else Answer(status=403)
    if question.path == "/v1/token":
        is_right = question.fields["subject_token"] == JWT
        token = {"access_token": "federated", "issued_token_type": "x", "token_type": "Bearer", "expires_in": 3600}
        return Answer(document=token) if is_right else Answer(status=400)
    assert question.headers["authorization"] == "Bearer federated"
    return Answer(document={"accessToken": "ya29.job", "expireTime": "2100-01-01T00:00:00Z"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """`container` has the network in which the clouds' names are; `registry` is behind both of their registries."""

    container: str
    registry: str
    asked: Service
    masu: Masu


@pytest.fixture(scope="module")
def cloud(engine: Engine, debug_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("identity")
    users = htpasswd(directory, {"oauth2accesstoken": "ya29.job", "AWS": "123456789012-auth-token"})
    names = (GOOGLE, ECR, AWS_API, *CLOUD_HOSTS)
    identity = make_identity(directory, hosts=list(names))
    with serve_registry(directory, auth=users) as registry, serve_moto(directory) as moto, serve_answers(clouds) as asked:
        login = {"auths": {registry.host: {"username": "AWS", "password": "123456789012-auth-token"}}}
        masu = Masu(state=directory / "state", env={"DOCKER_AUTH_CONFIG": json.dumps(login)})
        add_base(masu, directory)
        again = write_context(directory / "again", "FROM base\nENV PATH=/bin\n")
        assert masu("build", "-d", f"{registry.host}/project/images/base:1", again).returncode == 0
        options = [f"--add-host={name}:127.0.0.1" for name in names]
        sleeping = ("sh", "-c", "while :; do sleep 1000; done")
        with (
            engine.container(debug_image, *sleeping, options=options, network="none") as container,
            open_network(container=container.pid()) as network,
        ):
            routes = {GOOGLE: registry.host, ECR: registry.host, AWS_API: moto, **dict.fromkeys(CLOUD_HOSTS, asked.host)}
            network.forward_tls("127.0.0.1", 443, identity, to=routes)
            network.forward("127.0.0.1", OIDC_PORT, to=asked.host)
            certificate = f"--volume={identity.certificate_path}:/kaniko/ssl/certs/test.crt:ro"
            words = f"--network=container:{container.name}\n{certificate}"
            yield Cloud(container=words, registry=registry.host, asked=asked, masu=masu)


def account() -> str:
    """What google-github-actions/auth writes into the workspace."""
    url = f"http://127.0.0.1:{OIDC_PORT}/oidc?audience={POOL}"
    impersonation = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/push@p.iam.gserviceaccount.com"
    source = {"url": url, "headers": {"Authorization": f"Bearer {OIDC_TOKEN}"}}
    source["format"] = {"type": "json", "subject_token_field_name": "value"}
    return json.dumps(
        {
            "type": "external_account",
            "audience": POOL,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "service_account_impersonation_url": f"{impersonation}:generateAccessToken",
            "credential_source": source,
        }
    )


@pytest.mark.parametrize("place", ["work/gha-creds-0123456789abcdef.json", "temp/elsewhere.json"])
def test_a_base_comes_from_google_and_the_image_goes_to_amazon_by_the_jobs_identity(
    place: str, cloud: Cloud, engine: Engine, image: str, tmp_path: Path
) -> None:
    run = HostedRun(engine=engine, image=image, directory=tmp_path)
    write_context(run.workspace, f"FROM {GOOGLE}/project/images/base:1\nCOPY . /all\nRUN ls -A /all > /listed\n")
    write_context(tmp_path, "", {place: account()})
    keys = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "y", "AWS_REGION": "eu-west-1"}
    tag = f"team/app:{place[0]}"
    job = {**keys, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / place), "MASU_DOCKER_RUN_ARGS": cloud.container}
    done = run({"tags": f"{ECR}/{tag}", "push": "true"}, job)
    assert done.code == 0, done.output
    assert runner.outputs(run.file("output").read_text())["image"] == f"{ECR}/{tag}"
    assert any(question.path == "/v1/token" for question in cloud.asked.asked)
    for secret in ("ya29.job", JWT, OIDC_TOKEN, "auth-token"):
        assert secret not in done.output
    assert cloud.masu("pull", f"{cloud.registry}/{tag}").returncode == 0
    assert cloud.masu("run", f"{cloud.registry}/{tag}", "cat", "/listed").stdout == "Dockerfile\n"
