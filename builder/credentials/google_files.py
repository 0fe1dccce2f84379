"""Where this machine's Google account is described, in the places where google-auth and gcloud look."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path


def account_file(env: Mapping[str, str]) -> Path | None:
    """Where the account is described, if it is in a file; only the first place may name one that doesn't exist."""
    if env.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return Path(env["GOOGLE_APPLICATION_CREDENTIALS"])
    path = gcloud_directory(env) / "application_default_credentials.json"
    return path if path.is_file() else None


def gcloud_directory(env: Mapping[str, str]) -> Path:
    return Path(env.get("CLOUDSDK_CONFIG") or Path(env.get("HOME") or "/root", ".config", "gcloud"))


def token_files(env: Mapping[str, str]) -> Iterator[Path]:
    """What the account's file names in turn: workload identity federation keeps a token in one of its own."""
    path = account_file(env)
    try:
        document = json.loads(path.read_bytes()) if path is not None else {}
        named = document["credential_source"]["file"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # nothing to hide; that the file is wrong is said by who needs it
    if isinstance(named, str):
        yield Path(named)
