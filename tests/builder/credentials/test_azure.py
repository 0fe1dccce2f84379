from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.credentials.azure import AccessToken, access_token
from tests.builder.credentials.support import Cloud, open_cloud
from tests.support.answers import Answer, Question, serve_answers
from tests.support.certificates import make_identity
from tests.support.network import METADATA
from tests.support.registry import serve_registry
from tests.support.tokens import TokenServer

HOST, IN_CHINA = "masutest.azurecr.io", "masutest.azurecr.cn"
ENTRA, ENTRA_CHINA = "login.microsoftonline.com", "login.chinacloudapi.cn"
AUDIENCES = {ENTRA: "https://containerregistry.azure.net", ENTRA_CHINA: "https://management.chinacloudapi.cn"}
WHO = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client"}
SECRETS = ("the-client-secret", "entra-token", "acr-refresh-token", "a.federated.token")


@dataclass(slots=True)
class Azure:
    """Entra ID, the metadata server, and the token side of a registry."""

    signer: TokenServer
    has_identity: bool = True
    busy: int = 0
    hostile: object = None
    asked: list[str] = field(default_factory=list)

    def entra(self, question: Question) -> Answer:
        """POST /TENANT/oauth2/v2.0/token"""
        if self.hostile is not None:
            return Answer(document=self.hostile)
        fields, host = question.fields, question.headers["host"]
        proofs = {"client_secret": "the-client-secret", "client_assertion": "a.federated.token"}
        known = any(fields.get(name) == value for name, value in proofs.items()) and fields.get("client_id") == "client"
        if question.path != "/tenant/oauth2/v2.0/token" or fields.get("scope") != f"{AUDIENCES[host]}/.default":
            return Answer(
                document={"error": "invalid_scope", "error_description": f"AADSTS70011: {fields.get('scope')}"}, status=400
            )
        if not known:
            return Answer(
                document={"error": "invalid_client", "error_description": "AADSTS7000215: wrong secret\r\nTrace"}, status=401
            )
        return Answer(document={"token_type": "Bearer", "expires_in": 3599, "access_token": "entra-token"})

    def metadata(self, question: Question) -> Answer:
        self.asked.append(question.path)
        if question.path == "/app/token":
            given = (
                question.headers.get("x-identity-header") == "of-the-app" and question.fields.get("resource") == AUDIENCES[ENTRA]
            )
            return Answer(document={"access_token": "entra-token", "expires_on": "1"}) if given else Answer(status=401)
        if question.headers.get("metadata") != "true":
            return Answer(document={"error": "bad_request_102"}, status=400)
        if not self.has_identity or question.fields.get("resource") != AUDIENCES[ENTRA]:
            return Answer(document={"error": "invalid_request", "error_description": "Identity not found"}, status=400)
        if self.busy:
            self.busy -= 1
            return Answer(status=429)
        return Answer(document={"access_token": "entra-token", "expires_in": "86399", "token_type": "Bearer"})

    def registry(self, question: Question) -> Answer | None:
        """/oauth2/exchange and /oauth2/token; the rest is the registry's (github.com/Azure/acr, docs/AAD-OAuth.md)."""
        fields = question.fields
        if question.path == "/oauth2/exchange":
            granted = (fields["grant_type"], fields["access_token"], fields["service"]) == (
                "access_token", "entra-token", question.headers["host"],
            )  # fmt: skip
            return Answer(document={"refresh_token": "acr-refresh-token"}) if granted else Answer(status=401)
        if question.path == "/oauth2/token":
            user = "somebody" if fields.get("refresh_token") == "acr-refresh-token" else ""
            return Answer(document={"access_token": self.signer.token(user, tuple(fields.get("scope", "").split()))})
        return None


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Azure:
    return Azure(signer=TokenServer(identity=make_identity(tmp_path_factory.mktemp("signer"))))


@pytest.fixture(scope="module")
def cloud(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("azure")
    auth = {"token": azure.signer.auth["token"] | {"realm": f"https://{HOST}/oauth2/token"}}
    with (
        serve_registry(directory, auth=auth) as behind,
        serve_answers(azure.registry, upstream=behind.host) as registry,
        serve_answers(azure.entra) as entra,
        serve_answers(azure.metadata) as metadata,
    ):
        routes = {HOST: registry.host, IN_CHINA: registry.host, ENTRA: entra.host, ENTRA_CHINA: entra.host}
        with open_cloud(directory, routes) as opened:
            opened.network.forward(METADATA, 80, to=metadata.host)
            yield opened


@pytest.mark.parametrize("host", [HOST, IN_CHINA])
def test_a_service_principal_logs_in_at_the_registrys_own_cloud(cloud: Cloud, host: str) -> None:
    cloud.push_and_pull(f"{host}/team/principal:1", env={**WHO, "AZURE_CLIENT_SECRET": "the-client-secret"})


def test_a_federated_token_is_proof_enough(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a.federated.token\n")
    cloud.push_and_pull(f"{HOST}/team/federated:1", env={**WHO, "AZURE_FEDERATED_TOKEN_FILE": f"{tmp_path}/token"})


def test_a_managed_identity_is_used_even_if_its_server_is_busy(cloud: Cloud, azure: Azure) -> None:
    azure.busy = 1
    cloud.push_and_pull(f"{HOST}/team/managed:1", env={})
    assert azure.busy == 0


def test_an_apps_identity_is_used(cloud: Cloud) -> None:
    """App Service and Container Apps."""
    env = {"IDENTITY_ENDPOINT": f"http://{METADATA}/app/token", "IDENTITY_HEADER": "of-the-app"}
    cloud.push_and_pull(f"{HOST}/team/app:1", env=env)


@pytest.mark.parametrize(
    "document", [[], "[" * 100000, "null", {"access_token": 5}, {"access_token": ["a"]}, {"error": {"a": 1}}]
)
def test_an_answer_that_makes_no_sense_is_a_warning(cloud: Cloud, azure: Azure, document: object) -> None:
    azure.hostile = document
    done = cloud("pull", f"{HOST}/team/managed:1", env={**WHO, "AZURE_CLIENT_SECRET": "the-client-secret"})
    azure.hostile = None
    assert done.returncode == 1
    assert "no credential from Azure: Entra ID answers 200" in done.stderr


def test_a_life_that_is_no_number_of_seconds_counts_as_none() -> None:
    with serve_answers(lambda _: Answer(document={"access_token": "short", "expires_in": 10**400})) as app:
        env = {"IDENTITY_ENDPOINT": f"http://{app.host}/token", "IDENTITY_HEADER": "of-the-app"}
        assert access_token(env, "https://storage.azure.com") == AccessToken(text="short", life=0.0)


def test_a_machine_without_an_identity_leaves_it_to_the_registry(cloud: Cloud, azure: Azure) -> None:
    azure.has_identity = False
    done = cloud("pull", f"{HOST}/team/managed:1", env={})
    azure.has_identity = True
    assert done.returncode == 1
    assert "401" in done.stderr
    assert "warning" not in done.stderr.lower()


def test_a_wrong_secret_is_told_in_entras_words(cloud: Cloud) -> None:
    done = cloud("pull", f"{HOST}/team/managed:1", env={**WHO, "AZURE_CLIENT_SECRET": "wrong-one"})
    assert done.returncode == 1
    assert "no credential from Azure: Entra ID answers 401 (AADSTS7000215: wrong secret)" in done.stderr
    assert "wrong-one" not in done.stderr


def test_a_secret_goes_to_no_authority_in_clear_text(cloud: Cloud) -> None:
    env = {**WHO, "AZURE_CLIENT_SECRET": "the-client-secret", "AZURE_AUTHORITY_HOST": f"http://{ENTRA}"}
    assert "is not reached by https" in cloud("pull", f"{HOST}/team/managed:1", env=env).stderr


def test_no_secret_is_ever_logged(cloud: Cloud) -> None:
    env = {**WHO, "AZURE_CLIENT_SECRET": "the-client-secret"}
    done = cloud("build", "-v", "trace", "-d", f"{HOST}/team/secret:1", str(cloud.context), env=env)
    assert done.returncode == 0, done.stderr
    assert not [secret for secret in SECRETS if secret in done.stderr + done.stdout]
