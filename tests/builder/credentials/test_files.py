from __future__ import annotations

import json
from pathlib import Path

import pytest

from builder.credentials.files import credential_files


def make(path: Path, content: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        ".docker/config.json", ".docker/.dockerconfigjson", ".dockercfg", ".aws/credentials", ".aws/config",
        ".aws/sso/cache/a.json", ".aws/cli/cache/b.json", ".config/gcloud/application_default_credentials.json",
        ".config/gcloud/credentials.db", ".netrc", ".git-credentials",
    ],
)  # fmt: skip
def test_what_lies_at_home_is_known(tmp_path: Path, name: str) -> None:
    assert make(tmp_path / name) in credential_files({"HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "variable",
    [
        "GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "REGISTRY_AUTH_FILE", "DOCKER_AUTH_CONFIG",
    ],
)  # fmt: skip
def test_what_variables_name_is_known(tmp_path: Path, variable: str) -> None:
    path = make(tmp_path / "file", "not JSON")
    assert credential_files({variable: str(path)}).count(path) == 1
    assert path not in credential_files({})


def test_the_token_that_a_federations_file_names_is_known(tmp_path: Path) -> None:
    token = make(tmp_path / "token")
    account = make(tmp_path / "account.json", json.dumps({"credential_source": {"file": str(token)}}))
    assert {token, account} <= set(credential_files({"GOOGLE_APPLICATION_CREDENTIALS": str(account)}))
