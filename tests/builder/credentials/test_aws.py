from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.credentials.aws import Place
from tests.builder.credentials.support import Cloud, open_cloud
from tests.support.answers import Answer, Question, Service, serve_answers
from tests.support.moto import serve_moto
from tests.support.network import METADATA
from tests.support.registry import htpasswd, serve_registry

ACCOUNT, REGION = "123456789012", "eu-west-1"
PRIVATE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
DUAL_STACK = f"{ACCOUNT}.dkr-ecr.{REGION}.on.aws"
PUBLIC = "public.ecr.aws"
POD_IDENTITY, ROLE = "/v1/credentials", "/latest/meta-data/iam/security-credentials/"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "the-secret-key"}


@dataclass(slots=True)
class Machine:
    """EKS's pod identity agent and EC2's metadata service (IMDSv2) in one; `has_role` says whether the instance has one."""

    has_role: bool = True
    asked: list[str] = field(default_factory=list)

    def answer(self, question: Question) -> Answer:
        self.asked.append(question.path)
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        document = {
            "AccessKeyId": "ASIAEXAMPLE",
            "SecretAccessKey": "secret",
            "Token": "session",
            "Expiration": end,
            "Code": "Success",
        }
        if question.path == POD_IDENTITY:
            return Answer(document=document, status=200 if question.headers.get("authorization") == "pods-token" else 401)
        if question.path == "/latest/api/token":
            return Answer(document="imds-token") if self.has_role else Answer(status=403)
        if question.headers.get("x-aws-ec2-metadata-token") != "imds-token" or not self.has_role:
            return Answer(status=401)
        return Answer(document="builder") if question.path == ROLE else Answer(document=document)


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


@pytest.fixture(scope="module")
def public_api() -> Iterator[Service]:
    """The public registry's API, which moto hasn't; one key may not do a thing."""

    def answer(question: Question) -> Answer:
        if "AKIADENIED" in question.headers.get("authorization", ""):
            error = {"__type": "AccessDeniedException", "Message": "not authorized: ecr-public:GetAuthorizationToken"}
            return Answer(document=error, status=400)
        if question.headers.get("x-amz-target") != "SpencerFrontendService.GetAuthorizationToken":
            return Answer(status=400)
        token = "QVdTOjEyMzQ1Njc4OTAxMi1hdXRoLXRva2Vu"  # AWS:123456789012-auth-token
        return Answer(document={"authorizationData": {"authorizationToken": token, "expiresAt": time.time() + 43200}})

    with serve_answers(answer) as service:
        yield service


@pytest.fixture(scope="module")
def cloud(machine: Machine, public_api: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """moto behind Amazon's own names, and a registry that takes its token: moto has no place for images."""
    directory = tmp_path_factory.mktemp("aws")
    users = htpasswd(directory, {"AWS": f"{ACCOUNT}-auth-token"})
    with (
        serve_moto(directory) as moto,
        serve_registry(directory, auth=users) as registry,
        serve_answers(machine.answer) as near,
    ):
        registries = dict.fromkeys((PRIVATE, DUAL_STACK, PUBLIC), registry.host)
        services = dict.fromkeys(
            (f"api.ecr.{REGION}.amazonaws.com", f"ecr.{REGION}.api.aws", f"sts.{REGION}.amazonaws.com"), moto
        )
        with open_cloud(
            directory, {**registries, **services, "api.ecr-public.us-east-1.amazonaws.com": public_api.host}
        ) as opened:
            opened.network.forward(METADATA, 80, to=near.host)
            opened.network.forward("127.0.0.1", 8000, to=near.host)
            yield opened


@pytest.mark.parametrize("host", [PRIVATE, DUAL_STACK, PUBLIC])
def test_keys_in_variables_are_used(cloud: Cloud, host: str) -> None:
    cloud.push_and_pull(f"{host}/team/keys:1", env=KEYS)


def test_a_web_identity_is_exchanged_for_keys(cloud: Cloud, tmp_path: Path) -> None:
    """IRSA on EKS, and OIDC of CI platforms: STS is asked without a signature."""
    (tmp_path / "token").write_text("a.web.identity")
    role = {"AWS_ROLE_ARN": f"arn:aws:iam::{ACCOUNT}:role/builder", "AWS_WEB_IDENTITY_TOKEN_FILE": f"{tmp_path}/token"}
    cloud.push_and_pull(f"{PRIVATE}/team/irsa:1", env=role)


def test_a_pods_identity_is_used(cloud: Cloud, machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("pods-token")
    agent = f"http://127.0.0.1:8000{POD_IDENTITY}"
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{tmp_path}/token"}
    machine.asked.clear()
    cloud.push_and_pull(f"{PRIVATE}/team/pod:1", env=env)
    assert set(machine.asked) == {POD_IDENTITY}


def test_the_instances_role_is_used(cloud: Cloud, machine: Machine) -> None:
    machine.asked.clear()
    cloud.push_and_pull(f"{PRIVATE}/team/instance:1", env={})
    assert f"{ROLE}builder" in machine.asked


def test_without_any_the_registry_decides(cloud: Cloud, machine: Machine) -> None:
    machine.has_role = False
    done = cloud("pull", f"{PRIVATE}/team/keys:1", env={})
    machine.has_role = True
    assert done.returncode == 1
    assert "401" in done.stderr
    assert "warning" not in done.stderr.lower()


def test_a_key_without_rights_is_told_which_it_lacks(cloud: Cloud) -> None:
    done = cloud("pull", f"{PUBLIC}/team/keys:1", env=KEYS | {"AWS_ACCESS_KEY_ID": "AKIADENIED"})
    assert done.returncode == 1, "the registry behind it is private"
    assert "no credential from AWS in us-east-1: An error occurred (AccessDeniedException)" in done.stderr
    assert "allow ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken" in done.stderr


def test_no_key_and_no_token_is_ever_logged(cloud: Cloud) -> None:
    done = cloud("build", "-v", "trace", "-d", f"{PRIVATE}/team/secret:1", str(cloud.context), env=KEYS)
    assert done.returncode == 0, done.stderr
    assert not [secret for secret in ("the-secret-key", "auth-token", "QVdTO") if secret in done.stderr + done.stdout]


_TWICE = f"""
from builder.credentials.aws import Ecr
from builder.image.reference import Repository
import os
ecr = Ecr(os.environ)
first = [ecr.find(Repository(host={PRIVATE!r}, path=path)) for path in "abc"]
print(len(set(map(id, first))), ecr.find(Repository(host={PRIVATE!r}, path="a"), refused=first[0]) is first[0])
"""


def test_a_token_is_asked_once_for_a_region_and_again_when_it_is_refused(cloud: Cloud) -> None:
    """moto says that its tokens ended in 2015."""
    done = cloud.network.run([sys.executable, "-c", _TWICE], env={**cloud.env, **KEYS, "PATH": os.environ["PATH"]})
    assert done.stdout == "1 False\n", done.stderr


@pytest.mark.parametrize(
    ("host", "place"),
    [
        (PRIVATE, Place(service="ecr", region=REGION)),
        (PRIVATE.upper() + ":443", Place(service="ecr", region=REGION)),
        (f"{ACCOUNT}.dkr.ecr-fips.us-gov-west-1.amazonaws.com", Place(service="ecr", region="us-gov-west-1", fips=True)),
        (f"{ACCOUNT}.dkr.ecr.cn-north-1.amazonaws.com.cn", Place(service="ecr", region="cn-north-1")),
        (DUAL_STACK, Place(service="ecr", region=REGION, dual_stack=True)),
        (f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws", Place(service="ecr", region="us-east-1", fips=True, dual_stack=True)),
        (PUBLIC, Place(service="ecr-public", region="us-east-1")),
        (f"{PRIVATE}:5000", None),
    ],
)
def test_a_host_says_where_its_tokens_are_given(host: str, place: Place | None) -> None:
    assert Place.of(host) == place
