"""The one door to the HTTP library: one request on the wire, and its answer, whole or none.

A connection that ends is never taken for the end of an answer: not within its head (the standard library does that), not in its
body. Nothing is kept between requests but connections: no cookies, no environment, no .netrc.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import urljoin, urlsplit

import requests
import requests.adapters
import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
import urllib3.util

from builder.errors import RegistryError
from builder.image.reference import DEFAULT_HOST
from builder.registry.failure import Asked, failure
from builder.registry.options import RegistryOptions
from builder.retry import Transient
from builder.trust import blind_context
from builder.values import dataclass, field
from builder.web import innermost, is_ambiguous, shown, told

_HUB_API = "registry-1.docker.io"
_MOST_ERROR_BYTES = 64 << 10
_POOL = 32
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, -5})  # -5: EAI_NODATA, which not every libc has
_PROXY_REFUSES = re.compile(r"Tunnel connection failed: 40[137]")
_NUMBER = re.compile(r"[0-9]{1,18}")
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
        """What has arrived, up to `size` bytes, empty at the end; raises Transient when the connection breaks."""
        try:
            data: bytes = self._response.raw.read1(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"{self._response.request.method} {shown(self.url)}: the answer broke off: {told(innermost(error))}"
            raise Transient(RegistryError(message)) from error
        return data

    def readinto(self, buffer: memoryview) -> int:
        """What has arrived, straight into `buffer`; 0 at the end. Raises Transient when the connection breaks.

        An answer is read in this way or by `read`, not in both.
        """
        raw = self._response.raw
        response = cast(_Response, raw._original_response)
        try:
            size = response.receive(buffer)
        except (http.client.HTTPException, OSError) as error:
            message = f"{self._response.request.method} {shown(self.url)}: the answer broke off: {told(innermost(error))}"
            raise Transient(RegistryError(message)) from error
        if response.isclosed():
            raw.release_conn()
        return size

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
        length = number(self.headers.get("Content-Length", ""))
        if self._response.request.method == "HEAD" or (length is not None and length <= _MOST_ERROR_BYTES):
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
    body: bytes | Iterable[bytes | memoryview] | None = None
    connect_seconds: int = 30
    answer_seconds: int = _ANSWER_SECONDS


class Wire:
    """Sends single requests over pooled connections; threads share it."""

    def __init__(self, options: RegistryOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._certificates = {api_host(host).lower(): path for host, path in options.certificates.items()}
        self._shown = {api_host(host).lower(): shown for host, shown in options.client_certificates.items()}
        self._own = self._certificates.keys() | self._shown.keys()
        # The user has asked for it; the library would warn at each request.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._adapters: dict[tuple[str, str, bool], _Adapter] = {}

    def send(self, exchange: Exchange, *, more: Mapping[str, str], verify: bool) -> Answer:
        """Any answer at all. Raises Transient when none came, RegistryError when the certificate isn't trusted."""
        origin(exchange.url)
        headers = {"User-Agent": self._options.user_agent, "Accept-Encoding": "identity", **exchange.headers, **more}
        request = requests.Request(exchange.method, exchange.url, headers=headers, data=exchange.body)
        try:
            # Not by a requests.Session: that follows redirects in its thoughts even when it shouldn't.
            response = self._adapter(exchange.url, verify=verify).send(
                request.prepare(),
                stream=True,
                verify=verify,
                timeout=(exchange.connect_seconds, exchange.answer_seconds),
                proxies=self._options.proxies_for(exchange.url),
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
            raise RegistryError(f"{exchange.method} {shown(exchange.url)}: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _no_answer(exchange, error) from error
        return Answer(response, exchange.asked)

    def _adapter(self, url: str, *, verify: bool) -> _Adapter:
        """One for all hosts that are trusted alike; those with a certificate of their own have one each."""
        parts = urlsplit(url)
        host = parts.netloc.lower() if parts.netloc.lower() in self._own and parts.scheme == "https" else ""
        with self._lock:
            if (parts.scheme, host, verify) not in self._adapters:
                context = self._context(host, verify=verify) if parts.scheme == "https" else None
                self._adapters[parts.scheme, host, verify] = _Adapter(context)
            return self._adapters[parts.scheme, host, verify]

    def _context(self, host: str, *, verify: bool) -> ssl.SSLContext:
        """Trusts what the options say, what requests does, and the host's own certificate; shows the client's."""
        shown, certificate = self._shown.get(host), self._certificates.get(host)
        if not verify:
            return blind_context(shown)
        return self._options.trust.context(*([certificate] if certificate else []), shown=shown)


class _Adapter(requests.adapters.HTTPAdapter):
    """Makes our connections, to servers and through proxies."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._options: dict[str, Any] = {} if context is None else {"ssl_context": context}
        super().__init__(pool_connections=_POOL, pool_maxsize=_POOL)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, **options, **self._options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options, **self._options)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager


def _no_answer(exchange: Exchange, error: Exception) -> Exception:
    cause = innermost(error)
    message = f"{exchange.method} {shown(exchange.url)}: {told(cause)}"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = f"trust its CA with --registry-certificate {exchange.asked.host}=FILE, or don't verify: --skip-tls-verify-registry"
        return RegistryError(message, hint=hint)
    if _PROXY_REFUSES.search(str(cause)):
        return RegistryError(message, hint="the proxy wants a user and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT")
    if isinstance(cause, ssl.SSLError) and _WANTS_CERTIFICATE.search(str(cause)):
        hint = f"the server wants a client certificate that it trusts: --registry-client-cert {exchange.asked.host}=CERT,KEY"
        return RegistryError(message, hint=hint)
    if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST:
        return RegistryError(message, hint=f"is {exchange.asked.host!r} spelled right, and does this machine have a network?")
    return Transient(RegistryError(message, hint="is the registry up, and can it be reached from here?"))


class _Lines:
    """The lines of an answer's head, the last of which tells whether the head was whole."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.last = b"\n"

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._source.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


class _Response(http.client.HTTPResponse):
    """One that ends within its head is no answer; the standard library takes what came for all of it."""

    def begin(self) -> None:
        source, lines = self.fp, _Lines(self.fp)
        self.fp = lines  # type: ignore[assignment]
        super().begin()
        if self.fp is not None:  # an answer without a body is closed already
            self.fp = source
        if not lines.last:
            raise http.client.RemoteDisconnected("the connection ended within the head of the answer")

    def receive(self, buffer: memoryview) -> int:
        """One read of the connection into `buffer`, without a copy or an allocation; 0 at the end, after which it is closed."""
        if self.fp is None or not len(buffer):
            return 0
        if self.chunked or self.length is None:
            data = self.read1(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        size = self.fp.readinto1(buffer[: self.length])
        if not size and self.length:
            raise http.client.IncompleteRead(b"", self.length)
        self.length -= size
        if not self.length:
            self.close()
        return size


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what has to be equal for one server to be shown another's secrets.

    As the HTTP library reads it, which connects. Raises RegistryError for a URL that names a user or that others may read
    differently (`https://a\\@b/` is at `b` for some).
    """
    try:
        parts = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise RegistryError(f"malformed URL {shown(url)!r}") from error
    if is_ambiguous(url) or parts.auth is not None:
        raise RegistryError(
            f"refused the URL {shown(url)!r}: it can be read in more than one way", hint="who gave it means no good"
        )
    return parts.scheme or "", parts.host or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme or "", 0)


def joined(url: str, location: str) -> str:
    """What `location`, which an answer from `url` has, means. Raises RegistryError when that is nothing."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise RegistryError(f"malformed URL in an answer from {shown(url)}: {location[:200]!r}") from error


def number(text: str) -> int | None:
    """A header's number of bytes; None if it is none that there could be."""
    return int(text) if _NUMBER.fullmatch(text.strip()) else None


def api_host(host: str) -> str:
    return _HUB_API if host == DEFAULT_HOST else host
