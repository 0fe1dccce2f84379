"""A job's ID token as a login: against a fake of Google's token service, and moto for Amazon's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder.credentials.aws import Ecr
from builder.credentials.credential import Credential
from builder.credentials.google import Google
from builder.errors import UsageError
from builder.image.reference import Reference
from steps.identity import aws_role, google_account
from tests.support.answers import Answer, Question, serve_answers
from tests.support.moto import serve_moto

PROVIDER = "projects/1/locations/global/workloadIdentityPools/gitlab/providers/gitlab"
GOOGLES = Reference.parse("europe-west1-docker.pkg.dev/p/images/app:1").repository
AMAZONS = Reference.parse("123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1").repository


def token_service(question: Question) -> Answer:
    """Google's: STS gives a token for the job's own, the service account's comes for that."""
    if question.path == "/v1/token":
        good = (
            question.fields["subject_token"] == "the.jobs.token"
            and question.fields["audience"] == f"//iam.googleapis.com/{PROVIDER}"
        )
        document = {"access_token": "of-the-pool", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "t"}
        return Answer(document=document, status=200 if good else 401)
    good = question.path == "/push@p:generateAccessToken" and question.headers["authorization"] == "Bearer of-the-pool"
    return Answer(document={"accessToken": "of-the-account", "expireTime": "2999-01-01T00:00:00Z"}, status=200 if good else 403)


@pytest.mark.parametrize("provider", [PROVIDER, f"//iam.googleapis.com/{PROVIDER}", f"https://iam.googleapis.com/{PROVIDER}"])
@pytest.mark.parametrize(("account", "expected"), [("", "of-the-pool"), ("push@p", "of-the-account")])
def test_google_takes_the_jobs_token(provider: str, account: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("the.jobs.token")
    with serve_answers(token_service) as service:
        where = {"sts": f"http://{service.host}/v1/token", "impersonation": f"http://{service.host}/{{}}:generateAccessToken"}
        document = google_account(provider, service_account=account, token_file=str(tmp_path / "token"), **where)
        (tmp_path / "account.json").write_text(json.dumps(document))
        found = Google({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json")}).find(GOOGLES)
    assert found == Credential(username="oauth2accesstoken", password=expected)


def test_amazon_takes_the_jobs_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("the.jobs.token")
    role = aws_role("arn:aws:iam::123456789012:role/push", session="gitlab-" + "7" * 80, token_file=str(tmp_path / "token"))
    with serve_moto(tmp_path) as moto:
        env = {**role, "AWS_ENDPOINT_URL": f"http://{moto}", "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        found = Ecr(env).find(AMAZONS)
    assert found == Credential(username="AWS", password="123456789012-auth-token")


@pytest.mark.parametrize("provider", ["", "gitlab", "projects/1", "arn:aws:iam::1:role/b"])
def test_what_is_no_provider_is_refused(provider: str) -> None:
    with pytest.raises(UsageError, match="no workload identity provider"):
        google_account(provider, token_file="/t")
