"""The clouds' token services are reached by the environment's proxy like everything else, and nobody else is sent a thing."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.builder.credentials.test_google import key_file
from tests.support.certificates import make_identity
from tests.support.everywhere import Reply, Request, serve_everywhere
from tests.support.masu import Masu

ECR, ACR = "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "masutest.azurecr.io"
HOSTS = (ECR, "api.ecr.eu-west-1.amazonaws.com", ACR, "login.microsoftonline.com", "gcr.io", "oauth2.googleapis.com")
TOKENS: Mapping[str, object] = {
    "api.ecr.eu-west-1.amazonaws.com/": {"authorizationData": [{"authorizationToken": base64.b64encode(b"AWS:ecr").decode()}]},
    "login.microsoftonline.com/tenant/oauth2/v2.0/token": {"access_token": "entra"},
    f"{ACR}/oauth2/exchange": {"refresh_token": "refresh"},
    "oauth2.googleapis.com/token": {"access_token": "ya29", "expires_in": 3600},
}
AWS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
AZURE = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "d"}


def reply(request: Request) -> Reply:
    """Registries want a password and have no image; token services have their one answer."""
    document = TOKENS.get(f"{request.host}{request.path}")
    if document is not None:
        return Reply(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})
    if "authorization" not in request.headers:
        bearer = f'Bearer realm="https://{ACR}/oauth2/token",service="{ACR}"'
        return Reply(status=401, headers={"WWW-Authenticate": bearer if request.host == ACR else 'Basic realm="x"'})
    return Reply(status=404)


@pytest.mark.parametrize(
    ("reference", "env", "services"),
    [
        (f"{ECR}/app:1", AWS, {ECR, "api.ecr.eu-west-1.amazonaws.com"}),
        (f"{ACR}/app:1", AZURE, {ACR, "login.microsoftonline.com"}),
        ("gcr.io/project/app:1", {}, {"gcr.io", "oauth2.googleapis.com"}),
        ("public.example/app:1", AWS | AZURE, {"public.example"}),
    ],
    ids=["aws", "azure", "google", "nobody's"],
)
def test_token_services_are_asked_by_the_proxy(
    tmp_path: Path, reference: str, env: Mapping[str, str], services: set[str]
) -> None:
    identity = make_identity(tmp_path, hosts=[*HOSTS, "public.example"])
    with serve_everywhere(identity, reply) as everywhere:
        settings = {
            "HTTPS_PROXY": everywhere.proxy,
            "SSL_CERT_FILE": str(identity.certificate_path),
            "SSL_CERT_DIR": f"{tmp_path}/none",
        }
        google = {"GOOGLE_APPLICATION_CREDENTIALS": str(key_file(tmp_path / "key"))}
        done = Masu(state=tmp_path / "state", env={**settings, **google, **env})("pull", reference)
    assert done.returncode == 1
    assert "no credential from" not in done.stderr
    assert {request.host for request in everywhere.seen} == services
