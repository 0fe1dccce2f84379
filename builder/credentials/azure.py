"""Azure's container registries: a token of Entra ID, exchanged at the registry itself for one that its token server takes.

Entra ID is asked as a service principal (AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET), with a federated token (AKS
workload identity), or through the machine's managed identity. github.com/Azure/acr, docs/AAD-OAuth.md has the exchange.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from builder.credentials.credential import Credential
from builder.credentials.hosts import matches, normal
from builder.credentials.http import Client, Question, Reply
from builder.errors import CredentialError
from builder.image.reference import Repository
from builder.retry import TRANSIENT, Retry, Transient
from builder.values import dataclass

log = logging.getLogger(__name__)

HOSTS = re.compile(r"[a-z0-9](?:[a-z0-9-]{3,61}[a-z0-9])\.azurecr\.(?P<cloud>io|cn|us|de)")
_METADATA = "http://169.254.169.254/metadata/identity/oauth2/token"
_METADATA_SECONDS = 1.0
_METADATA_BUSY = frozenset({404, 410, 429})  # learn.microsoft.com: how-to-use-vm-token, "Retry guidance"
_REFRESH_LIFE = 3600.0
"""Seconds that a registry's refresh token is used; it is good for three hours."""
_MARGIN = 300.0
_LONGEST_LIFE = 7 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cloud:
    """`authority` gives tokens, `audience` is the registries' name there."""

    authority: str
    audience: str


_CLOUDS = {
    "io": _Cloud(authority="https://login.microsoftonline.com", audience="https://containerregistry.azure.net"),
    "cn": _Cloud(authority="https://login.chinacloudapi.cn", audience="https://management.chinacloudapi.cn"),
    "us": _Cloud(authority="https://login.microsoftonline.us", audience="https://management.usgovcloudapi.net"),
    "de": _Cloud(authority="https://login.microsoftonline.de", audience="https://management.microsoftazure.de"),
}
_ENVIRONMENTS = {"azurechinacloud": "cn", "azureusgovernmentcloud": "us", "azureusgovernment": "us", "azuregermancloud": "de"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """Entra ID's, good for `life` seconds more."""

    text: str
    life: float


class Acr:
    """`clock` gives seconds."""

    def __init__(
        self, env: Mapping[str, str], *, retry: Retry | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._env = dict(env)
        self._client = Client(env)
        self._retry = retry or Retry(tries=4)
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, tuple[Credential | None, float]] = {}

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        known = matches(HOSTS, repository.host)
        if known is None:
            return None
        host = normal(repository.host)
        with self._lock:
            credential, end = self._found.get(host, (None, 0.0))
            if host not in self._found or (credential is not None and (self._clock() >= end or credential == refused)):
                credential = self._log_in(host, _CLOUDS[known["cloud"]])
                self._found[host] = (credential, self._clock() + _REFRESH_LIFE)
        return credential

    def _log_in(self, host: str, cloud: _Cloud) -> Credential | None:
        authority = self._env.get("AZURE_AUTHORITY_HOST") or cloud.authority
        token = access_token(self._env, cloud.audience, authority=authority, client=self._client, retry=self._retry)
        if token is None:
            return None
        form = {"grant_type": "access_token", "service": host, "access_token": token.text}
        if self._env.get("AZURE_TENANT_ID"):
            form["tenant"] = self._env["AZURE_TENANT_ID"]
        reply = _post(f"https://{host}/oauth2/exchange", form, client=self._client, retry=self._retry)
        return Credential(identity_token=_string(reply, "refresh_token", f"the registry {host!r}"))


def access_token(
    env: Mapping[str, str], resource: str, *, authority: str = "", client: Client | None = None, retry: Retry | None = None
) -> AccessToken | None:
    """A token of Entra ID for `resource` (`https://storage.azure.com`); None if this machine has no identity.

    `authority` is a cloud's own, by default the one that AZURE_AUTHORITY_HOST or AZURE_ENVIRONMENT names. Raises CredentialError.
    """
    client, retry = client or Client(env), retry or Retry(tries=4)
    name, tenant = env.get("AZURE_CLIENT_ID", ""), env.get("AZURE_TENANT_ID", "")
    proof = _proof(env) if name and tenant else None
    if proof is None:
        return _managed(env, resource, client=client, retry=retry)
    authority = (authority or _authority(env)).rstrip("/")
    if not authority.startswith("https://"):
        raise CredentialError(f"no credential from Azure: {authority!r} is not reached by https", hint="see AZURE_AUTHORITY_HOST")
    form = {"grant_type": "client_credentials", "client_id": name, "scope": f"{resource}/.default", **proof}
    reply = _post(f"{authority}/{tenant}/oauth2/v2.0/token", form, client=client, retry=retry)
    return _token(reply, "Entra ID")


def _authority(env: Mapping[str, str]) -> str:
    cloud = _ENVIRONMENTS.get(env.get("AZURE_ENVIRONMENT", "").lower(), "io")
    return env.get("AZURE_AUTHORITY_HOST") or _CLOUDS[cloud].authority


def _proof(env: Mapping[str, str]) -> dict[str, str] | None:
    """What shows that we are the client, if anything does."""
    if env.get("AZURE_CLIENT_SECRET"):
        return {"client_secret": env["AZURE_CLIENT_SECRET"]}
    path = env.get("AZURE_FEDERATED_TOKEN_FILE")
    if not path:
        return None
    try:
        assertion = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CredentialError(f"no credential from Azure: can't read AZURE_FEDERATED_TOKEN_FILE {path!r}: {error}") from error
    return {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": assertion}


def _managed(env: Mapping[str, str], resource: str, *, client: Client, retry: Retry) -> AccessToken | None:
    """By the identity that the platform has given to this machine or app; None if there is none."""
    query = {"resource": resource} | ({"client_id": env["AZURE_CLIENT_ID"]} if env.get("AZURE_CLIENT_ID") else {})
    endpoint, secret = env.get("IDENTITY_ENDPOINT"), env.get("IDENTITY_HEADER")
    if endpoint and secret:
        url = f"{endpoint}?{urlencode({'api-version': '2019-08-01', **query})}"
        return _token(
            _sent(Question(method="GET", url=url, headers={"X-IDENTITY-HEADER": secret}), client=client, retry=retry), url
        )
    url = f"{_METADATA}?{urlencode({'api-version': '2018-02-01', **query})}"
    question = Question(method="GET", url=url, headers={"Metadata": "true"})
    if not _has_metadata(client):
        return None
    reply = retry.run(lambda: _asked(question, client, busy=TRANSIENT | _METADATA_BUSY))
    if reply.status == 400:
        log.debug("the metadata server has no Azure identity for us: %s", _told(reply))
        return None
    return _token(reply, "the metadata server")


def _has_metadata(client: Client) -> bool:
    """Whether this machine has Azure's metadata server; another cloud's, which has the same address, knows no such path."""
    try:
        status = client.ask(Question(method="GET", url=_METADATA, seconds=_METADATA_SECONDS)).status
    except Transient as failed:
        log.debug("no Azure identity: neither variables nor a metadata server (%s)", failed.error.message)
        return False
    return status != 404


def _post(url: str, form: Mapping[str, str], *, client: Client, retry: Retry) -> Reply:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _sent(
        Question(method="POST", url=url, headers=headers, body=urlencode(form, errors="surrogateescape")),
        client=client,
        retry=retry,
    )


def _sent(question: Question, *, client: Client, retry: Retry) -> Reply:
    return retry.run(lambda: _asked(question, client, busy=TRANSIENT))


def _asked(question: Question, client: Client, *, busy: frozenset[int]) -> Reply:
    reply = client.ask(question)
    if reply.status in busy:
        raise Transient(CredentialError(f"no credential from Azure: status {reply.status} ({_told(reply)})"))
    return reply


def _token(reply: Reply, source: str) -> AccessToken:
    text = _string(reply, "access_token", source)
    try:
        life = float(json.loads(reply.data).get("expires_in") or 0)
    except (TypeError, ValueError, OverflowError):
        life = 0.0
    return AccessToken(text=text, life=life - _MARGIN if _MARGIN < life < _LONGEST_LIFE else 0.0)


def _string(reply: Reply, name: str, source: str) -> str:
    try:
        document = json.loads(reply.data)
    except (ValueError, RecursionError):
        document = None
    found: Any = document.get(name) if isinstance(document, dict) else None
    if reply.status != 200 or not isinstance(found, str) or not found:
        raise CredentialError(f"no credential from Azure: {source} answers {reply.status} ({_told(reply)})")
    return found


def _told(reply: Reply) -> str:
    """What an answer without a token says, its first line."""
    try:
        document = json.loads(reply.data)
        text = document.get("error_description") or document.get("error") or document["errors"][0]["message"]
    except (ValueError, RecursionError, AttributeError, LookupError, TypeError):
        return "no reason given"
    return str(text).splitlines()[0][:300] if text else "no reason given"
