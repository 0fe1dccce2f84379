from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from tests.builder.credentials.support import Cloud, open_cloud
from tests.support.answers import Answer, Question, serve_answers
from tests.support.certificates import make_identity
from tests.support.masu import ROOT
from tests.support.network import METADATA, open_network
from tests.support.registry import htpasswd, serve_registry

GOOD, OLD = "ya29.good", "ya29.old"
ACCOUNT = "builder@project.iam.gserviceaccount.com"
SERVICES = ("oauth2.googleapis.com", "sts.googleapis.com", "iamcredentials.googleapis.com", "tokens.ci.example")
FLAVOR = {"Metadata-Flavor": "Google"}


@dataclass(slots=True)
class FakeGoogle:
    """What Google's servers do: the metadata server gives `tokens` one after the other, the last for ever."""

    tokens: list[str] = field(default_factory=lambda: [GOOD])
    busy: int = 0
    has_account: bool = True
    hostile: object = None

    def metadata(self, question: Question) -> Answer:
        account = "/computeMetadata/v1/instance/service-accounts"
        if question.path != "/" and question.headers.get("metadata-flavor") != "Google":
            return Answer(status=403)
        if self.busy:
            self.busy -= 1
            return Answer(status=503)
        if question.path == f"{account}/default/token" and self.has_account:
            if self.hostile is not None:
                return Answer(document=self.hostile, headers=FLAVOR | {"Content-Type": "application/json"})
            token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
            return Answer(document={"access_token": token, "expires_in": 3600, "token_type": "Bearer"}, headers=FLAVOR)
        if question.path in (f"{account}/default/", f"{account}/{ACCOUNT}/") and self.has_account:
            return Answer(document={"email": ACCOUNT, "scopes": [], "aliases": ["default"]}, headers=FLAVOR)
        return Answer(document="ok", headers=FLAVOR, status=200 if question.path == "/" else 404)

    def oauth(self, question: Question) -> Answer:
        """oauth2.googleapis.com, sts.googleapis.com, iamcredentials.googleapis.com and a CI platform's own tokens in one."""
        if question.path == "/id-token" and question.headers.get("authorization") == "Bearer of-the-request":
            return Answer(document={"value": "the-jobs-own-token"})
        is_key, is_user = question.fields.get("assertion", "").count(".") == 2, question.fields.get("refresh_token") == "users"
        if question.path == "/token" and (is_key or is_user):
            return Answer(document={"access_token": GOOD, "expires_in": 3600, "token_type": "Bearer"})
        if question.path == "/v1/token" and question.fields.get("subject_token") == "the-jobs-own-token":
            return Answer(
                document={"access_token": "federated", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
            )
        if question.path.endswith(":generateAccessToken") and question.headers.get("authorization") == "Bearer federated":
            end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
            return Answer(document={"accessToken": GOOD, "expireTime": end})
        return Answer(document={"error": "invalid_grant", "error_description": f"not {question.path}"}, status=400)


@pytest.fixture(scope="module")
def google() -> FakeGoogle:
    return FakeGoogle()


@pytest.fixture(scope="module")
def cloud(google: FakeGoogle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("google")
    users = htpasswd(directory, {"oauth2accesstoken": GOOD})
    with (
        serve_registry(directory, auth=users) as registry,
        serve_answers(google.oauth) as oauth,
        serve_answers(google.metadata) as metadata,
    ):
        registries = dict.fromkeys(("gcr.io", "europe-west1-docker.pkg.dev"), registry.host)
        services = dict.fromkeys(SERVICES, oauth.host)
        with open_cloud(directory, {**registries, **services}) as opened:
            opened.network.forward(METADATA, 80, to=metadata.host)
            yield opened


def test_the_machines_own_account_is_used(cloud: Cloud, google: FakeGoogle) -> None:
    google.tokens = [GOOD]
    cloud.push_and_pull("gcr.io/project/app:1", env={})


def test_a_token_that_is_refused_is_fetched_anew(cloud: Cloud, google: FakeGoogle) -> None:
    google.tokens = [OLD, GOOD]
    done = cloud("build", "-d", "europe-west1-docker.pkg.dev/project/repository/app:1", str(cloud.context), env={})
    assert (done.returncode, google.tokens) == (0, [GOOD]), done.stderr


def test_a_metadata_server_that_is_busy_at_first_is_asked_again(cloud: Cloud, google: FakeGoogle) -> None:
    google.tokens, google.busy = [GOOD], 2
    cloud.push_and_pull("gcr.io/project/busy:1", env={})
    assert google.busy == 0


def test_a_machine_without_an_account_can_still_say_why_it_was_refused(cloud: Cloud, google: FakeGoogle) -> None:
    google.has_account = False
    done = cloud("pull", "gcr.io/project/app:1", env={})
    google.has_account = True
    assert done.returncode == 1
    assert "no credential from Google: Failed to retrieve" in done.stderr
    assert "401" in done.stderr


def key_file(directory: Path) -> Path:
    """A service account's key, as the console gives it."""
    directory.mkdir(exist_ok=True)
    key = make_identity(directory).key
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    document = {
        "type": "service_account", "project_id": "project", "private_key_id": "1", "private_key": pem.decode(),
        "client_email": ACCOUNT, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
    }  # fmt: skip
    return write(directory / "key.json", document)


def federation_file(directory: Path) -> Path:
    """Workload identity federation with a job's own token in a file, as in GitLab."""
    (directory / "token").write_text("the-jobs-own-token")
    return _federation(directory, {"file": str(directory / "token")})


def workflow_file(directory: Path) -> Path:
    """The same as google-github-actions/auth writes it: the platform is asked for the token."""
    form = {"type": "json", "subject_token_field_name": "value"}
    headers = {"Authorization": "Bearer of-the-request"}
    return _federation(directory, {"url": "https://tokens.ci.example/id-token", "headers": headers, "format": form})


def _federation(directory: Path, source: object) -> Path:
    audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/provider"
    impersonated = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    document = {
        "type": "external_account", "audience": audience, "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token", "service_account_impersonation_url": impersonated,
        "credential_source": source,
    }  # fmt: skip
    return write(directory / "federation.json", document)


def write(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize(
    "document",
    [
        [], "[" * 100000, {}, "null", {"access_token": 5, "expires_in": 60}, {"access_token": "t"},
        {"access_token": "t", "expires_in": "x"}, {"access_token": "t", "expires_in": 10**30},
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_a_warning(cloud: Cloud, google: FakeGoogle, document: object) -> None:
    google.hostile = document
    done = cloud("pull", "gcr.io/project/app:1", env={})
    google.hostile = None
    assert done.returncode == 1, done.stderr
    assert "no credential from Google: " in done.stderr


@pytest.mark.parametrize("make", [key_file, federation_file, workflow_file])
def test_a_file_comes_before_the_machine(cloud: Cloud, google: FakeGoogle, tmp_path: Path, make: Callable[[Path], Path]) -> None:
    google.tokens = ["of-the-machine"]
    cloud.push_and_pull(f"gcr.io/project/{make.__name__}:1", env={"GOOGLE_APPLICATION_CREDENTIALS": str(make(tmp_path))})


def test_gclouds_own_file_is_found(cloud: Cloud, google: FakeGoogle, tmp_path: Path) -> None:
    google.tokens = ["of-the-machine"]
    user = {"type": "authorized_user", "client_id": "1", "client_secret": "2", "refresh_token": "users"}
    write(tmp_path / ".config/gcloud/application_default_credentials.json", user)
    cloud.push_and_pull("gcr.io/project/user:1", env={"HOME": str(tmp_path)})


def test_a_broken_file_is_named_and_the_registry_decides(cloud: Cloud, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{")
    done = cloud("pull", "gcr.io/project/app:1", env={"GOOGLE_APPLICATION_CREDENTIALS": f"{tmp_path}/key.json"})
    assert done.returncode == 1
    assert f"no credential from Google: File {tmp_path}/key.json is not a valid json file" in done.stderr


def test_no_token_is_ever_logged(cloud: Cloud, google: FakeGoogle, tmp_path: Path) -> None:
    env = {"GOOGLE_APPLICATION_CREDENTIALS": str(federation_file(tmp_path))}
    done = cloud("build", "-v", "trace", "-d", "gcr.io/project/secret:1", str(cloud.context), env=env)
    assert done.returncode == 0, done.stderr
    assert not [secret for secret in (GOOD, "federated", "the-jobs-own-token") if secret in done.stderr + done.stdout]


_NOWHERE = """
import time
import google.auth.compute_engine
from builder.credentials import Chain, from_environment
from builder.image.reference import Repository
start = time.monotonic()
found = [Chain(from_environment({})).find(Repository(host="gcr.io", path=path)) for path in "ab"]
print(*set(found), time.monotonic() - start < 8)
"""


def test_a_machine_that_is_not_googles_is_done_with_quickly(tmp_path: Path) -> None:
    """What is sent to a metadata server's address is lost: google-auth alone would wait for twelve seconds."""
    with open_network(addresses=()) as network:
        done = network.run([sys.executable, "-c", _NOWHERE], env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]})
    assert done.stdout == "None True\n", done.stderr
