"""The files of this machine that hold credentials, whoever reads them: commands that build an image have no business there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.credentials.docker_config import config_files
from builder.credentials.google_files import account_file, gcloud_directory, token_files

# What the drivers read where variables say so; botocore's and gcloud's own places follow.
_VARIABLES = (
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_CLIENT_CERTIFICATE_PATH",
)
_AT_HOME = (".aws/credentials", ".aws/config", ".netrc", ".git-credentials")
_CACHES_AT_HOME = (".aws/sso/cache", ".aws/cli/cache", ".aws/login/cache")
_OF_GCLOUD = ("application_default_credentials.json", "credentials.db", "access_tokens.db")
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def credential_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Those that exist, absolute, each once."""
    return tuple(path for path in dict.fromkeys(path.absolute() for path in _candidates(env)) if path.is_file())


def _candidates(env: Mapping[str, str]) -> Iterator[Path]:
    yield from config_files(env)
    yield from (Path(env[name]) for name in _VARIABLES if env.get(name))
    if (account := account_file(env)) is not None:
        yield account
        yield from token_files(env)
    yield from (gcloud_directory(env) / name for name in _OF_GCLOUD)
    if env.get("HOME"):
        yield from (Path(env["HOME"], name) for name in _AT_HOME)
        yield from (path for name in _CACHES_AT_HOME for path in Path(env["HOME"], name).glob("*.json"))
    yield _SERVICE_ACCOUNT
