"""Requests to the clouds' token services: small, without redirects, cookies or anything from .netrc.

Proxies and trusted certificates are the environment's; metadata servers, which answer on the machine's own link, are always asked
directly.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from builder.errors import CredentialError
from builder.retry import Transient
from builder.values import dataclass, field
from builder.web import check_proxy, innermost, proxies_for, proxies_of, shown, told

if TYPE_CHECKING:
    import requests

_MOST_BYTES = 1 << 20
_SECONDS = 30.0
_METADATA_HOSTS = frozenset({"metadata.google.internal", "metadata"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`seconds` are for the connection as for each piece of the answer."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | str | None = field(default=None, repr=False)
    seconds: float = _SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`headers` are looked up in any case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)


class Client:
    """Threads may share one; the HTTP library is loaded with the first question."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)
        self._proxies = proxies_of(env)
        self._lock = threading.Lock()
        self._session: requests.Session | None = None

    def ask(self, question: Question) -> Reply:
        """Whatever is answered. Raises Transient when nothing is, CredentialError for a stranger or an endless answer."""
        import requests
        import urllib3.exceptions

        where = f"{question.method} {shown(question.url)}"
        request = requests.Request(question.method, question.url, headers=dict(question.headers), data=question.body)
        try:
            response = self._opened().send(
                request.prepare(), stream=True, allow_redirects=False, timeout=question.seconds,
                proxies={} if _is_near(question.url) else proxies_for(question.url, self._proxies),
            )  # fmt: skip
            with response:
                data: bytes = response.raw.read(_MOST_BYTES + 1, decode_content=False)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise _no_answer(where, error) from error
        if len(data) > _MOST_BYTES:
            raise CredentialError(f"{where}: the answer is longer than {_MOST_BYTES} bytes")
        return Reply(status=response.status_code, headers=response.headers, data=data)

    def _opened(self) -> requests.Session:
        import requests

        from builder.trust import Trust

        with self._lock:
            if self._session is None:
                session = requests.Session()
                session.trust_env = False
                adapter = requests.adapters.HTTPAdapter()
                context = Trust.of(self._env).context()
                adapter.init_poolmanager(4, 4, ssl_context=context)
                if proxy := self._proxies.get("https"):
                    check_proxy(proxy)
                    adapter.proxy_manager_for(proxy, ssl_context=context)
                session.mount("https://", adapter)
                self._session = session
            return self._session


def _is_near(url: str) -> bool:
    """Whether this is a metadata server's, which knows a machine by its address: a proxy would be asked for its own token."""
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_link_local
    except ValueError:
        return name in _METADATA_HOSTS


def _no_answer(where: str, error: Exception) -> Exception:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return CredentialError(f"{where}: {told(innermost(error))}", hint="trust its CA by SSL_CERT_FILE or SSL_CERT_DIR")
    return Transient(CredentialError(f"{where}: {told(innermost(error))}"))
