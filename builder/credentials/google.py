"""Google's registries by Application Default Credentials, as google-auth knows them; it is loaded for their hosts only.

In its order: the file that GOOGLE_APPLICATION_CREDENTIALS names (a service account's key, workload identity federation, …), the
one that `gcloud auth application-default login` writes, the machine's metadata server. Hosts are those of go-containerregistry,
pkg/v1/google/keychain.go.
"""

from __future__ import annotations

import logging
import re
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from builder.credentials.credential import Credential
from builder.credentials.google_files import account_file
from builder.credentials.hosts import matches
from builder.credentials.http import Client, Question, Reply
from builder.errors import CredentialError
from builder.image.reference import Repository
from builder.retry import Retry, Transient

log = logging.getLogger(__name__)

_LABELS = r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+"
HOSTS = re.compile(rf"gcr\.io|{_LABELS}(?:gcr\.io|pkg\.dev|google\.com)")
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_USER = "oauth2accesstoken"
_PROBE_SECONDS = 1.0
_PRODUCT = Path("/sys/class/dmi/id/product_name")
_PROJECTS = "cloudresourcemanager.googleapis.com"
_WRONG_ANSWERS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, OSError)
"""What google-auth lets through, beside its own errors, when a file or an answer isn't what it should be."""


class Google:
    """One account for all of Google's hosts, looked for when the first is met."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._client = Client(env)
        self._lock = threading.Lock()
        self._account: Any = None
        self._is_looked_for = False

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        if matches(HOSTS, repository.host) is None:
            return None
        with self._lock:
            token = self._token(refused)
        return None if token is None else Credential(username=_USER, password=token)

    def _token(self, refused: Credential | None) -> str | None:
        from google.auth.exceptions import GoogleAuthError

        try:
            if not self._is_looked_for:
                self._account, self._is_looked_for = self.account(), True
            if self._account is None:
                return None
            if not self._account.valid or (refused is not None and refused.password == self._account.token):
                self._refresh()
        except (GoogleAuthError, *_WRONG_ANSWERS) as error:
            hint = "see docs/credentials.md; --credential-helpers leaves sources out"
            raise CredentialError(f"no credential from Google: {_first_line(error)}", hint=hint) from error
        if not isinstance(self._account.token, str):
            raise CredentialError("no credential from Google: the answer has no access token")
        return self._account.token

    def _refresh(self) -> None:
        """Unless google-auth has tried itself, a metadata server is asked again: it may begin later than a container."""
        from google.auth.exceptions import GoogleAuthError

        def refresh() -> None:
            try:
                self._account.refresh(self.request)
            except GoogleAuthError as error:
                if not error.retryable:
                    raise
                raise Transient(CredentialError(f"no credential from Google: {_first_line(error)}")) from error

        Retry(tries=3).run(refresh)

    def account(self) -> Any:
        """google-auth's object for the account, or None if there is none; `request` is how it may ask for tokens.

        Raises what google-auth does, and OSError, for a file that it can't use.
        """
        import google.auth
        from google.auth import compute_engine

        path = account_file(self._env)
        if path is not None:
            account, _ = google.auth.load_credentials_from_file(str(path), scopes=[_SCOPE], request=self.request)
            return account
        if not _may_have_metadata(self._env):
            log.debug("no Google account: neither a file nor a metadata server")
            return None
        return compute_engine.Credentials(scopes=[_SCOPE])

    def request(
        self, url: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None,
        timeout: float | None = None, **_: object,
    ) -> Reply:  # fmt: skip
        """google.auth.transport.Request, by our own proxies and certificates."""
        from google.auth.exceptions import TransportError

        if urlsplit(url).hostname == _PROJECTS:
            return Reply(status=404, headers={}, data=b"{}")  # the project's name, which nobody here asks for
        details = {} if timeout is None else {"seconds": timeout}
        try:
            return self._client.ask(Question(method=method, url=url, headers=headers or {}, body=body, **details))
        except Transient as failed:
            raise TransportError(failed.error.message) from failed


def _may_have_metadata(env: Mapping[str, str]) -> bool:
    """Whether to ask a metadata server: google-auth would wait for several seconds where there is none."""
    if env.get("NO_GCE_CHECK") == "true":
        return False
    if env.get("GCE_METADATA_HOST") or env.get("GCE_METADATA_ROOT") or _is_googles_machine():
        return True
    try:
        with socket.create_connection((env.get("GCE_METADATA_IP") or "169.254.169.254", 80), timeout=_PROBE_SECONDS):
            return True
    except OSError as error:
        log.debug("no metadata server answers: %s", error)
        return False


def _is_googles_machine() -> bool:
    try:
        return _PRODUCT.read_text(encoding="utf-8").startswith("Google")
    except OSError:
        return False


def _first_line(error: Exception) -> str:
    """google-auth wraps errors in errors, with whole answers beside their words."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    text = str(error.args[0] if error.args and isinstance(error.args[0], str) else error).strip()
    return (text or type(error).__name__).splitlines()[0][:500]
