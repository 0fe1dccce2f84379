from __future__ import annotations

import json

import pytest

from builder.errors import RegistryError
from builder.registry.failure import Asked, failure, says_immutable

ECR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
GAR = "europe-west3-docker.pkg.dev"


def refused(
    status: int, host: str, *, push: bool = True, path: str = "team/app", code: str = "DENIED", said: str = "no", **more: str
) -> RegistryError:
    body = json.dumps({"errors": [{"code": code, "message": said}]}).encode()
    asked = Asked(host=host, path=path, push=push, username="ann", with_token=True, service=more.pop("service", ""))
    return failure("PUT", f"https://{host}/v2/{path}/x", status, body, asked, **more)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (refused(429, "docker.io", push=False, code="TOOMANYREQUESTS"), "masu login docker.io"),
        (refused(429, "docker.io", push=False), "--registry-mirror"),
        (refused(429, "r.example", push=False), "--registry-map"),
        (refused(401, "docker.io", push=False, code="UNAUTHORIZED"), "check the name 'team/app'"),
        (refused(401, "docker.io", code="UNAUTHORIZED"), "Read & Write"),
        (refused(401, "docker.io", path="library/app"), "write docker.io/YOUR-NAME/IMAGE"),
        (refused(403, "ghcr.io"), "`permissions: packages: write`"),
        (refused(403, "ghcr.io", push=False), "`permissions: packages: read`"),
        (refused(403, "gitlab.example:5050", service="container_registry"), "write_registry"),
        (refused(404, GAR, code="NAME_UNKNOWN"), "gcloud artifacts repositories create"),
        (refused(403, "eu.gcr.io"), "roles/artifactregistry.writer"),
        (refused(403, GAR, push=False), "roles/artifactregistry.reader"),
        (refused(404, ECR, code="NAME_UNKNOWN"), "aws ecr create-repository --repository-name team/app"),
        (refused(403, ECR), "ecr:InitiateLayerUpload"),
        (refused(403, ECR, push=False), "ecr:BatchGetImage"),
        (refused(403, ECR, said="Your authorization token has expired. Reauthenticate and try again."), "after 12 hours"),
        (refused(401, "x.azurecr.io"), "AcrPush"),
        (refused(401, "x.azurecr.io", push=False), "AcrPull"),
        (refused(401, "harbor.example", service="harbor-registry"), "is a project: it must exist"),
        (refused(401, "quay.io", code="UNAUTHORIZED"), "robot account"),
        (refused(403, "acme.jfrog.io"), "key of a Docker repository"),
        (refused(403, "art.example", server="Artifactory/7.90.1 79001900"), "key of a Docker repository"),
        (refused(404, "nexus.example", server="Nexus/3.70.1-02 (OSS)"), "connector port"),
        (refused(400, ECR, code="TAG_INVALID", said="overwritten because the tag is immutable."), "the tag is immutable"),
        (refused(403, "r.example"), "user 'ann' may not push r.example/team/app"),
        (refused(404, "r.example", code="NAME_UNKNOWN"), "create it first"),
        (refused(503, "docker.io"), "try again later"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_this_kind_of_registry_needs(error: RegistryError, advice: str) -> None:
    assert advice in error.hint


@pytest.mark.parametrize(
    "host",
    [
        "ghcr.io.evil.test",
        "xghcr.io",
        "docker.io.evil.test",
        "x.azurecr.io.evil.test",
        "evilgcr.io",
        f"{ECR}.evil.test",
        "quay.io:5000",
    ],
)
def test_look_alikes_get_the_common_advice(host: str) -> None:
    assert refused(403, host).hint.startswith("user 'ann' may not push")


@pytest.mark.parametrize(
    ("error", "immutable"),
    [
        (refused(400, ECR, code="TAG_INVALID", said="cannot be overwritten because the tag is immutable."), True),
        (refused(400, GAR, code="MANIFEST_INVALID", said="The repository has enabled tag immutability"), True),
        (refused(412, "h", code="PRECONDITION", said="Failed to process request due to 'a:1' configured as immutable."), True),
        (refused(400, "n", code="UNKNOWN", said="Repository does not allow updating assets: docker"), True),
        (refused(400, "r", code="MANIFEST_INVALID", said="manifest invalid"), False),
        (refused(503, "r", said="the immutable store is down"), False),
        (refused(412, "r", code="PRECONDITION", said="no"), False),
    ],
)
def test_what_immutable_tags_are_refused_with(error: RegistryError, immutable: bool) -> None:
    assert says_immutable(error) is immutable
