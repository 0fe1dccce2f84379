"""Blobs of Azure: `https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB` and the like in Azure's other clouds.

A URL with a signature, or one that is public, is a matter of plain http; a key or an identity needs Azure's own libraries, which
are masu's extra `azure`.
"""

from __future__ import annotations

import importlib.util
import io
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from builder.context.resumable import CHUNK, Ranged
from builder.context.source import Archive, Means, unreachable
from builder.credentials.azure import access_token
from builder.errors import ContextError
from builder.retry import TRANSIENT, Transient
from builder.web import shown

# pkg/constants/constants.go of Kaniko; the name of a storage account is 3 to 24 small letters and digits.
_HOST = re.compile(r"[a-z0-9]{3,24}\.blob\.core\.(windows\.net|chinacloudapi\.cn|cloudapi\.de|usgovcloudapi\.net)")
_AUTHORITIES = {
    "windows.net": "https://login.microsoftonline.com",
    "chinacloudapi.cn": "https://login.chinacloudapi.cn",
    "cloudapi.de": "https://login.microsoftonline.de",
    "usgovcloudapi.net": "https://login.microsoftonline.us",
}
_RESOURCE = "https://storage.azure.com"
_KEY = "AZURE_STORAGE_ACCESS_KEY"
_IDENTITY = ("AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "MSI_ENDPOINT")
_INSTALL = "pip install masu[azure]"
_CONNECT_SECONDS, _READ_SECONDS = 30, 120


class Azure:
    def __init__(self, means: Means) -> None:
        self._means = means

    def fetch(self, text: str, directory: Path) -> Archive:
        env, what = self._means.env, shown(text)
        if "sig" in parse_qs(urlsplit(text).query):
            return self._plainly(text)
        if env.get(_KEY):
            return self._by_library(text, what, env[_KEY])
        if any(env.get(name) for name in _IDENTITY):
            return self._by_library(text, what, None)
        return self._public(text, what)

    def _public(self, text: str, what: str) -> Archive:
        """Without any credentials, else as the machine's own identity."""
        try:
            return self._plainly(text)
        except ContextError as error:
            # A private blob is 404 for nobody, or 409 where the account lets nothing be public.
            if not re.search(r": 40[1349]\b", error.message):
                raise
            if importlib.util.find_spec("azure") is None:
                error.hint = f"for a private blob give a URL with a signature (SAS), or {_KEY} and {_INSTALL}"
                raise
        return self._by_library(text, what, None)

    def _plainly(self, text: str) -> Archive:
        from builder.context.http import Web

        means = self._means
        web = Web(means.env, user_agent=means.user_agent, secret=means.secret, retry=means.retry)
        return Archive(stream=web.open(text))

    def _by_library(self, text: str, what: str, key: str | None) -> Archive:
        """With the account's key, or as the identity that the environment or the machine gives."""
        retry = self._means.retry
        try:
            client = self._client(text, key)
        except ImportError as error:
            raise ContextError(f"{what}: Azure's libraries are not installed", hint=_INSTALL) from error
        size, tag = retry.run(lambda: _look_up(client, what))
        get = partial(_range, client, what, tag)
        return Archive(stream=io.BufferedReader(Ranged(get, size, name=what, retry=retry), CHUNK))

    def _client(self, text: str, key: str | None) -> Any:
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import BlobClient

        with _explained(shown(text)):
            match = _HOST.fullmatch(urlsplit(text).hostname or "")
            authority = _AUTHORITIES[match[1]] if match else ""
            return BlobClient.from_blob_url(
                text,
                credential=key or _Identity(self._means.env, authority),
                transport=RequestsTransport(session=self._session(), session_owner=False),
                retry_total=0,
                connection_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
            )

    def _session(self) -> Any:
        """One whose connections are as all of masu's."""
        import requests

        from builder.context.http import settle

        session = requests.Session()
        settle(session, self._means.env)
        return session


def is_blob(text: str) -> bool:
    """Whether a URL is one of Azure's: nothing else may see what its environment holds."""
    try:
        parts = urlsplit(text)
        standard = parts.port in (None, 443)
    except ValueError:
        return False
    return parts.scheme == "https" and standard and "@" not in parts.netloc and _HOST.fullmatch(parts.hostname or "") is not None


class _Identity:
    """What Azure's library asks for tokens: a service principal, a federated token or the machine's managed identity."""

    def __init__(self, env: Mapping[str, str], authority: str) -> None:
        self._env = env
        self._authority = "" if env.get("AZURE_AUTHORITY_HOST") or env.get("AZURE_ENVIRONMENT") else authority

    def get_token(self, *scopes: str, **_: object) -> Any:
        """azure.core.credentials.TokenCredential."""
        from azure.core.credentials import AccessToken

        token = access_token(self._env, _RESOURCE, authority=self._authority)
        if token is None:
            raise ContextError("no access to Azure: no account key, and this machine has no identity", hint=_hint(403))
        return AccessToken(token.text, int(time.time() + token.life))


def _look_up(client: Any, what: str) -> tuple[int, str]:
    """Its size and ETag."""
    with _explained(what):
        properties = client.get_blob_properties()
        return int(properties.size), str(properties.etag)


def _range(client: Any, what: str, tag: str, start: int, length: int) -> bytes:
    from azure.core import MatchConditions

    with _explained(what):
        download = client.download_blob(
            offset=start, length=length, etag=tag, match_condition=MatchConditions.IfNotModified, max_concurrency=1
        )
        data: bytes = download.readall()
        return data


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """What the libraries raise as ContextError, or as Transient where it may pass."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except ClientAuthenticationError as error:
        raise ContextError(f"{what}: {_first_line(error)}", hint=_hint(403)) from error
    except HttpResponseError as error:
        status = int(error.status_code or 0)
        failure = ContextError(f"{what}: {status} {_first_line(error)}", hint=_hint(status))
        raise (Transient(failure) if status in TRANSIENT or not status else failure) from error
    except (AzureError, OSError) as error:
        raise unreachable(what, error) from error
    except ValueError as error:  # a key that isn't base64
        raise ContextError(f"{what}: {error}", hint=f"is {_KEY} the key of this account?") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _hint(status: int) -> str:
    if status in (401, 403):
        return (
            f"is {_KEY} the key of this account? An identity needs the role Storage Blob Data Reader "
            "(Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read)"
        )
    if status == 404:
        return "check account, container and blob"
    return "it has changed while it was downloaded: start the build again" if status == 412 else ""
