"""The one door to registries: connections, authorization, redirects, retries, and errors that say what to do.

One Transport serves a whole build; threads share it. Plain http is tried only where RegistryOptions allow it, after https, once a
host. Authorization goes to the registry itself and to its token realm, never along a redirect to another host.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit, urlunsplit

from builder.credentials import Chain, Credentials
from builder.errors import RegistryError
from builder.image.verify import SMALL_LIMIT
from builder.registry.address import joined, origin
from builder.registry.auth import Authorizer, Challenge, Granted, TokenRequest
from builder.registry.failure import Asked
from builder.registry.options import RegistryOptions
from builder.registry.request import Request
from builder.registry.wire import Answer, Exchange, Wire, api_host
from builder.retry import TRANSIENT, Retry, Transient
from builder.values import dataclass, replace
from builder.web import retry_after, shown

__all__ = ["Answer", "RegistryOptions", "Request", "Retry", "Transport"]

log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 5
_PING_SECONDS, _PING_ANSWER_SECONDS = 10, 30


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
        self._locks: dict[tuple[str, bool], threading.Lock] = {}
        self._lock = threading.Lock()
        self._wire = Wire(self._options)

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
        if answer.status in (401, 403) and origin(answer.url) == origin(registry.base):
            with answer:
                refusal = answer.failure()
            renewed = _renewed(request, registry.authorizer, answer, granted)
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
        with self._lock:  # for a moment: one that doesn't answer must not hold up the others
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._registries:
                self._registries[key] = self._ping(host, push=push)
            return self._registries[key]

    def _ping(self, host: str, *, push: bool) -> _Registry:
        """Find out whether the host speaks https or, where that is allowed, only http, and how it wants to be authorized."""
        name = api_host(host)
        asked = Asked(host=host, path="", push=push)
        base = f"https://{name}"
        try:
            if self._is_hardly_tls(host, push=push):
                self._wire.send(_ping_of(base, asked), more={}, verify=False).close()
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
            asks = answer.status == 401 and origin(answer.url) == origin(base)  # who is elsewhere has no say here
            challenges = Challenge.parse(answer.headers.get("WWW-Authenticate", "")) if asks else ()
        authorizer = Authorizer(
            credentials=self._credentials,
            fetch=lambda request: self._fetch_token(request, asked, push=push),
            clock=self._clock,
            is_safe=lambda realm: self._is_safe(realm, base, push=push),
            challenges=challenges,
        )
        return _Registry(base=base, authorizer=authorizer)

    def _is_hardly_tls(self, host: str, *, push: bool) -> bool:
        """Whether it pays to look first if the host speaks TLS at all, to nobody in particular.

        Reading the lists of authorities, without which nobody is trusted, takes longer (50 ms) than all else of a first request.
        """
        options = self._options
        is_verified = not options.skips_verify(host, push=push) and host not in options.client_certificates
        return options.allows_http(host, push=push) and is_verified

    def _is_safe(self, realm: str, base: str, *, push: bool) -> bool:
        """A token realm on plain http is trusted by a registry on plain http only, and under the same conditions."""
        place = origin(realm)
        if place.scheme == "http" and base.startswith("http:"):
            return origin(realm) == origin(base) or self._options.allows_http(urlsplit(realm).netloc, push=push)
        return place.scheme == "https"

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
            trusted = origin(exchange.url) == origin(home)
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


def _renewed(request: Request, authorizer: Authorizer, answer: Answer, refused: Granted) -> Granted | None:
    """What to try after a refusal, if there is anything; ECR answers 403 to a password whose 12 hours have passed."""
    if answer.status == 403:
        return authorizer.update(request.repository, request.scopes, refused=refused)
    challenges = Challenge.parse(answer.headers.get("WWW-Authenticate", ""))
    return authorizer.renew(request.repository, request.scopes, challenges=challenges, refused=refused)


def _no_https(failed: Transient, host: str) -> Exception:
    if "WRONG_VERSION_NUMBER" not in failed.error.message:
        return failed
    hint = f"if it speaks plain http only, allow that with --insecure-registry {host}"
    return RegistryError(failed.error.message, hint=hint)


def _ping_of(base: str, asked: Asked) -> Exchange:
    return Exchange(
        method="GET", url=f"{base}/v2/", asked=asked, connect_seconds=_PING_SECONDS, answer_seconds=_PING_ANSWER_SECONDS
    )


def _redirect(exchange: Exchange, answer: Answer) -> str | None:
    """Where to go on, if the answer says so and the request may: with a body, which may be secret, only to the same host."""
    location = answer.headers.get("Location")
    if answer.status not in _REDIRECTS or location is None:
        return None
    target = joined(exchange.url, location)
    if exchange.method in ("GET", "HEAD"):
        return target
    if answer.status not in (307, 308) or not (exchange.body is None or isinstance(exchange.body, bytes)):
        return None
    return target if exchange.body is None or origin(target) == origin(exchange.url) else None


def _as_trusted(url: str, base: str) -> str:
    """A URL that a registry behind a TLS proxy gives as http is https for us, if we reached the registry so."""
    if base.startswith("https:") and url.startswith("http:") and urlsplit(url).hostname == urlsplit(base).hostname:
        parts = urlsplit(url)
        return urlunsplit(parts._replace(scheme="https", netloc=urlsplit(base).netloc))
    return url


def _host(url: str, asked: Asked, home: str) -> str:
    """The URL's host as users spell it in options."""
    return asked.host if origin(url) == origin(home) else urlsplit(url).netloc
