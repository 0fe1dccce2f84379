"""The files of this machine that hold credentials, whoever reads them: commands that build an image have no business there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from builder.credentials.docker_config import config_files

# google-auth, botocore and azure-identity name them so; the files that lie in the home directory follow.
_VARIABLES = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
)
_AT_HOME = (".aws/credentials", ".config/gcloud/application_default_credentials.json", ".netrc", ".git-credentials")
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


def credential_files(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Those that exist, absolute, each once."""
    return tuple(path for path in dict.fromkeys(_candidates(env)) if path.is_file())


def _candidates(env: Mapping[str, str]) -> Iterator[Path]:
    yield from (path.absolute() for path in config_files(env))
    yield from (Path(env[name]).absolute() for name in _VARIABLES if env.get(name))
    if env.get("HOME"):
        yield from (Path(env["HOME"]).absolute() / name for name in _AT_HOME)
    yield _SERVICE_ACCOUNT
