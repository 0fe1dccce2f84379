"""The one door to registries: connections, authorization, redirects, retries, and errors that say what to do.

One Transport serves a whole build; threads share it. Plain http is tried only where RegistryOptions allow it, after https, once a
host. Authorization goes to the registry itself and to its token realm, never along a redirect to another host.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import requests.adapters
import urllib3
import urllib3.exceptions

from builder.credentials import Chain, Credentials
from builder.errors import RegistryError
from builder.image.reference import DEFAULT_HOST
from builder.image.verify import SMALL_LIMIT
from builder.registry.auth import Authorizer, Challenge, Granted, TokenRequest
from builder.registry.failure import Asked, failure
from builder.registry.options import RegistryOptions
from builder.registry.request import Request
from builder.retry import TRANSIENT, Retry, Transient
from builder.trust import blind_context
from builder.web import retry_after, shown

__all__ = ["Answer", "RegistryOptions", "Request", "Retry", "Transport"]

log = logging.getLogger(__name__)

_HUB_API = "registry-1.docker.io"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_MOST_ERROR_BYTES = 64 << 10
_POOL = 32
_PING_SECONDS = 10
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, -5})  # -5: EAI_NODATA, which not every libc has
_WANTS_CERTIFICATE = re.compile(r"alert (?:[a-z ]*certificate|unknown ca)", re.IGNORECASE)
_ANSWER_SECONDS = 300
"""A registry may move a blob of several GB to its final place before it answers the last PUT."""


class Answer:
    """A registry's answer, whose body streams; a context manager, so that its connection is given back."""

    def __init__(self, response: requests.Response, asked: Asked) -> None:
        self._response = response
        self._asked = asked
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.url = str(response.url)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, empty at the end; raises Transient when the connection breaks."""
        try:
            data: bytes = self._response.raw.read(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"{self._response.request.method} {shown(self.url)}: the answer broke off: {_cause(error)}"
            raise Transient(RegistryError(message)) from error
        return data

    def read_all(self, limit: int) -> bytes:
        """The whole body, but at most `limit` + 1 bytes of it."""
        parts, left = [], limit + 1
        while left and (part := self.read(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def failure(self) -> RegistryError:
        """The error that this answer is; reads its body."""
        body = b"" if self._response.request.method == "HEAD" else self.read_all(_MOST_ERROR_BYTES)
        server = self.headers.get("Server", "")
        return failure(str(self._response.request.method), self.url, self.status, body, self._asked, server=server)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; it can be used again if hardly anything was left to read."""
        length = self.headers.get("Content-Length", "")
        if self._response.request.method == "HEAD" or (length.isdecimal() and int(length) <= _MOST_ERROR_BYTES):
            with suppress(urllib3.exceptions.HTTPError, OSError):
                self._response.raw.drain_conn()
        self._response.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request on the wire, `asked` being what it is for."""

    method: str
    url: str
    asked: Asked
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] | None = None
    connect_seconds: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class _Registry:
    """A host that has answered: the start of its URLs, and how to be authorized there."""

    base: str
    authorizer: Authorizer


class Transport:
    """`credentials` are asked in their order; `clock` gives seconds since the epoch, `retry` says how to wait."""

    def __init__(
        self,
        options: RegistryOptions,
        *,
        credentials: Sequence[Credentials] = (),
        retry: Retry | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.retry = retry or Retry()
        self._options = options
        self._credentials = Chain(credentials)
        self._clock = clock
        self._registries: dict[tuple[str, bool], _Registry] = {}
        self._lock = threading.Lock()
        self._wire = _Wire(self._options)

    def send(self, request: Request) -> Answer:
        """The expected answer. Raises RegistryError, AuthError or NotFoundError, or Transient as Request says."""
        if not request.repeatable:
            return self._attempt(request)
        return self.retry.run(lambda: self._attempt(request))

    def reach(self, host: str) -> str:
        """Where this registry answers, `https://…` or `http://…`, asked once. Raises RegistryError when it doesn't."""
        try:
            return self._registry(host, push=False).base
        except Transient as failed:
            raise failed.error from failed

    def read(self, request: Request, *, limit: int) -> tuple[Answer, bytes]:
        """The expected answer, closed, and its body, of which at most `limit` + 1 bytes are read."""
        return self.retry.run(lambda: self._read(request, limit))

    def _read(self, request: Request, limit: int) -> tuple[Answer, bytes]:
        with self._attempt(request) as answer:
            return answer, answer.read_all(limit)

    def _attempt(self, request: Request) -> Answer:
        registry = self._registry(request.repository.host, push=request.trusts_as_push)
        granted = registry.authorizer.grant(request.repository, request.scopes)
        answer = self._ask(request, registry, granted)
        if answer.status == 401 and _origin(answer.url) == _origin(registry.base):
            with answer:
                refusal = answer.failure()
            challenges = Challenge.parse(answer.headers.get("WWW-Authenticate", ""))
            renewed = registry.authorizer.renew(request.repository, request.scopes, challenges=challenges, refused=granted)
            if renewed is None:
                raise refusal
            if not request.repeatable:
                raise Transient(refusal, retry_after=0)
            answer = self._ask(request, registry, renewed)
        if answer.status in request.expected:
            return answer
        with answer:
            raise self._failure(answer)

    def _ask(self, request: Request, registry: _Registry, granted: Granted) -> Answer:
        repository = request.repository
        asked = Asked(
            host=repository.host,
            path=repository.path,
            push=request.push,
            username=granted.username,
            with_token=(granted.header or "").startswith("Bearer "),
            service=granted.service,
        )
        url = f"{registry.base}/v2/{repository.path}/{request.path}"
        if "://" in request.path:
            url = _as_trusted(request.path, registry.base)
        return self._follow(
            Exchange(method=request.method, url=url, headers=request.headers, body=request.body, asked=asked),
            authorization=granted.header,
            home=registry.base,
            push=request.trusts_as_push,
        )

    def _failure(self, answer: Answer) -> Exception:
        """What to raise for an answer nobody expected."""
        error = answer.failure()
        if answer.status in TRANSIENT:
            return Transient(error, retry_after=retry_after(answer.headers, now=self._clock()))
        return error

    def _registry(self, host: str, *, push: bool) -> _Registry:
        key = (host, push and self._options.distinguish_push)
        with self._lock:
            if key not in self._registries:
                self._registries[key] = self._ping(host, push=push)
            return self._registries[key]

    def _ping(self, host: str, *, push: bool) -> _Registry:
        """Find out whether the host speaks https or, where that is allowed, only http, and how it wants to be authorized."""
        name = _api_host(host)
        asked = Asked(host=host, path="", push=push)
        base = f"https://{name}"
        try:
            answer = self._follow(_ping_of(base, asked), authorization=None, home=base, push=push)
        except Transient as failed:
            if not self._options.allows_http(host, push=push):
                raise _no_https(failed, host) from failed
            log.debug("%s; trying plain http", failed.error.message)
            base = f"http://{name}"
            answer = self._follow(_ping_of(base, asked), authorization=None, home=base, push=push)
            if answer.status == 400:  # what a server that wants TLS says to those who speak without
                answer.close()
                raise failed
        with answer:
            if answer.status in TRANSIENT:
                raise self._failure(answer)
            challenges = Challenge.parse(answer.headers.get("WWW-Authenticate", "")) if answer.status == 401 else ()
        authorizer = Authorizer(
            credentials=self._credentials,
            fetch=lambda request: self._fetch_token(request, asked, push=push),
            clock=self._clock,
            is_safe=lambda realm: self._is_safe(realm, base, push=push),
            challenges=challenges,
        )
        return _Registry(base=base, authorizer=authorizer)

    def _is_safe(self, realm: str, base: str, *, push: bool) -> bool:
        """A token realm on plain http is trusted by a registry on plain http only, and under the same conditions."""
        parts = urlsplit(realm)
        if parts.scheme == "http" and base.startswith("http:"):
            return _origin(realm) == _origin(base) or self._options.allows_http(parts.netloc, push=push)
        return parts.scheme == "https" and bool(parts.netloc)

    def _fetch_token(self, request: TokenRequest, asked: Asked, *, push: bool) -> bytes:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if request.form is not None else {}
        asked = Asked(host=asked.host, path=request.path, push=request.push, username=request.username, service=request.service)
        method = "GET" if request.form is None else "POST"
        exchange = Exchange(method=method, url=request.url, headers=headers, body=request.form, asked=asked)
        with self._follow(exchange, authorization=request.authorization, home=request.url, push=push) as answer:
            if answer.status != 200:
                raise self._failure(answer)
            return answer.read_all(SMALL_LIMIT)

    def _follow(self, exchange: Exchange, *, authorization: str | None, home: str, push: bool) -> Answer:
        """The answer at the end of the redirects; `authorization` is for the host of `home` alone."""
        for _ in range(_MOST_REDIRECTS):
            trusted = _origin(exchange.url) == _origin(home)
            headers = {"Authorization": authorization} if authorization and trusted else {}
            verify = not self._options.skips_verify(_host(exchange.url, exchange.asked, home), push=push)
            answer = self._wire.send(exchange, more=headers, verify=verify)
            target = _redirect(exchange, answer)
            if target is None:
                return answer
            answer.close()
            if target.startswith("http:") and exchange.url.startswith("https:"):
                self._check_downgrade(exchange, target, push=push)
            exchange = replace(exchange, url=target)
        raise RegistryError(f"{exchange.method} {shown(exchange.url)}: more than {_MOST_REDIRECTS} redirects")

    def _check_downgrade(self, exchange: Exchange, target: str, *, push: bool) -> None:
        if not self._options.allows_http(urlsplit(target).netloc, push=push):
            raise RegistryError(f"{exchange.method} {shown(exchange.url)}: redirected to plain http at {shown(target)}")


class _Wire:
    """Sends one request over pooled connections and keeps nothing else: no cookies, no environment, no .netrc."""

    def __init__(self, options: RegistryOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._certificates = {_api_host(host).lower(): path for host, path in options.certificates.items()}
        self._shown = {_api_host(host).lower(): shown for host, shown in options.client_certificates.items()}
        # The user has asked for it; the library would warn at each request.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._sessions: dict[tuple[str, bool], requests.Session] = {}

    def send(self, exchange: Exchange, *, more: Mapping[str, str], verify: bool) -> Answer:
        """Any answer at all. Raises Transient when none came, RegistryError when the certificate isn't trusted."""
        headers = {"User-Agent": self._options.user_agent, "Accept-Encoding": "identity", **exchange.headers, **more}
        request = requests.Request(exchange.method, exchange.url, headers=headers, data=exchange.body)
        try:
            response = self._session(exchange.url, verify=verify).send(
                request.prepare(),
                stream=True,
                verify=verify,
                allow_redirects=False,
                timeout=(exchange.connect_seconds, _ANSWER_SECONDS),
                proxies=self._options.proxies_for(exchange.url),
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise RegistryError(f"{exchange.method} {shown(exchange.url)}: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _no_answer(exchange, error) from error
        return Answer(response, exchange.asked)

    def _session(self, url: str, *, verify: bool) -> requests.Session:
        """One for all hosts that are trusted alike; those with a certificate of their own have one each."""
        parts = urlsplit(url)
        own = parts.scheme == "https" and (parts.netloc.lower() in self._certificates or parts.netloc.lower() in self._shown)
        key = parts.netloc.lower() if own else parts.scheme, verify
        with self._lock:
            if key not in self._sessions:
                self._sessions[key] = _session(self._adapter(key[0], verify=verify) if parts.scheme == "https" else _pool())
            return self._sessions[key]

    def _adapter(self, host: str, *, verify: bool) -> requests.adapters.HTTPAdapter:
        """Trusts what the options say, what requests does, and the host's own certificate; shows the client's."""
        shown, certificate = self._shown.get(host), self._certificates.get(host)
        context = (
            self._options.trust.context(*([certificate] if certificate else []), shown=shown) if verify else blind_context(shown)
        )
        adapter = _pool()
        adapter.init_poolmanager(_POOL, _POOL, ssl_context=context)
        if proxy := self._options.proxies.get("https"):
            adapter.proxy_manager_for(proxy, ssl_context=context)
        return adapter


def _session(adapter: requests.adapters.HTTPAdapter) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def _pool() -> requests.adapters.HTTPAdapter:
    return requests.adapters.HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL)


def _no_answer(exchange: Exchange, error: Exception) -> Exception:
    cause = _innermost(error)
    message = f"{exchange.method} {shown(exchange.url)}: {_told(cause)}"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = f"trust its CA with --registry-certificate {exchange.asked.host}=FILE, or don't verify: --skip-tls-verify-registry"
        return RegistryError(message, hint=hint)
    if isinstance(cause, ssl.SSLError) and _WANTS_CERTIFICATE.search(str(cause)):
        hint = f"the server wants a client certificate that it trusts: --registry-client-cert {exchange.asked.host}=CERT,KEY"
        return RegistryError(message, hint=hint)
    if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST:
        return RegistryError(message, hint=f"is {exchange.asked.host!r} spelled right, and does this machine have a network?")
    return Transient(RegistryError(message, hint="is the registry up, and can it be reached from here?"))


def _no_https(failed: Transient, host: str) -> Exception:
    if "WRONG_VERSION_NUMBER" not in failed.error.message:
        return failed
    hint = f"if it speaks plain http only, allow that with --insecure-registry {host}"
    return RegistryError(failed.error.message, hint=hint)


def _cause(error: BaseException) -> str:
    return _told(_innermost(error))


def _told(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _innermost(error: BaseException) -> BaseException:
    """The innermost of the errors that the HTTP libraries wrap into each other."""
    for _ in range(10):
        inner = [getattr(error, "reason", None), *error.args[-1:], error.__cause__, error.__context__]
        found = next((item for item in inner if isinstance(item, BaseException)), None)
        if found is None:
            break
        error = found
    return error


def _ping_of(base: str, asked: Asked) -> Exchange:
    return Exchange(method="GET", url=f"{base}/v2/", asked=asked, connect_seconds=_PING_SECONDS)


def _redirect(exchange: Exchange, answer: Answer) -> str | None:
    """Where to go on, if the answer says so and the request may: with a body, which may be secret, only to the same host."""
    location = answer.headers.get("Location")
    if answer.status not in _REDIRECTS or location is None:
        return None
    target = urljoin(exchange.url, location)
    if exchange.method in ("GET", "HEAD"):
        return target
    if answer.status not in (307, 308) or not (exchange.body is None or isinstance(exchange.body, bytes)):
        return None
    return target if exchange.body is None or _origin(target) == _origin(exchange.url) else None


def _as_trusted(url: str, base: str) -> str:
    """A URL that a registry behind a TLS proxy gives as http is https for us, if we reached the registry so."""
    if base.startswith("https:") and url.startswith("http:") and urlsplit(url).hostname == urlsplit(base).hostname:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(scheme="https", netloc=urlsplit(base).netloc))
    return url


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what has to be equal for one server to be shown another's secrets."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)


def _host(url: str, asked: Asked, home: str) -> str:
    """The URL's host as users spell it in options."""
    return asked.host if _origin(url) == _origin(home) else urlsplit(url).netloc


def _api_host(host: str) -> str:
    return _HUB_API if host == DEFAULT_HOST else host
