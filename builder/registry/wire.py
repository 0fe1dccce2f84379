"""The one door to the HTTP library: one request on the wire, and its answer, whole or none.

A connection that ends is never taken for the end of an answer: not within its head (the standard library does that), not in its
body. Nothing is kept between requests but connections: no cookies, no environment, no .netrc. That is why it is urllib3 itself,
without requests on top: a build that needs no other HTTP starts faster, too.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Iterable, Mapping, Sized
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
import urllib3.util

from builder.errors import RegistryError
from builder.image.reference import DEFAULT_HOST
from builder.registry.failure import Asked, failure
from builder.registry.options import RegistryOptions
from builder.registry.request import Body
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


_Origin = tuple[str, str, int]


class Answer:
    """A registry's answer, whose body streams; a context manager, so that its connection is given back."""

    def __init__(self, response: urllib3.BaseHTTPResponse, exchange: Exchange) -> None:
        self._response: Any = response
        self._method = exchange.method
        self._asked = exchange.asked
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = exchange.url

    def read(self, size: int) -> bytes:
        """What has arrived, up to `size` bytes, empty at the end; raises Transient when the connection breaks."""
        try:
            data: bytes = self._response.read1(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken_off(error) from error
        return data

    def readinto(self, buffer: memoryview) -> int:
        """What has arrived, straight into `buffer`; 0 at the end. Raises Transient when the connection breaks.

        An answer is read in this way or by `read`, not in both.
        """
        response = cast(_Response, self._response._original_response)
        try:
            size = response.receive(buffer)
        except (http.client.HTTPException, OSError) as error:
            raise self._broken_off(error) from error
        if response.isclosed():
            self._response.release_conn()
        return size

    def _broken_off(self, error: Exception) -> Transient:
        return Transient(RegistryError(f"{self._method} {shown(self.url)}: the answer broke off: {told(innermost(error))}"))

    def read_all(self, limit: int) -> bytes:
        """The whole body, but at most `limit` + 1 bytes of it.

        As it was, if something on the way has compressed it though nobody asked for that.
        """
        parts, left = [], limit + 1
        while left and (part := self.read(left)):
            parts.append(part)
            left -= len(part)
        data = b"".join(parts)
        return _gunzipped(data, limit + 1) if self.headers.get("Content-Encoding", "").lower() == "gzip" else data

    def failure(self) -> RegistryError:
        """The error that this answer is; reads its body."""
        body = b"" if self._method == "HEAD" else self.read_all(_MOST_ERROR_BYTES)
        return failure(self._method, self.url, self.status, body, self._asked, server=self.headers.get("Server", ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back; it can be used again if hardly anything was left to read."""
        length = number(self.headers.get("Content-Length", ""))
        if self._method == "HEAD" or (length is not None and length <= _MOST_ERROR_BYTES):
            with suppress(urllib3.exceptions.HTTPError, OSError):
                self._response.drain_conn()
        self._response.close()
        self._response.release_conn()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request on the wire, `asked` being what it is for."""

    method: str
    url: str
    asked: Asked
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Body | Iterable[memoryview] | None = None
    connect_seconds: int = 30
    answer_seconds: int = _ANSWER_SECONDS


class Wire:
    """Sends single requests over pooled connections; threads share it."""

    def __init__(self, options: RegistryOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._certificates = {_https(host): path for host, path in options.certificates.items()}
        self._shown = {_https(host): shown for host, shown in options.client_certificates.items()}
        self._own = self._certificates.keys() | self._shown.keys()
        # The user has asked for it; the library would warn at each request.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._pools: dict[tuple[str, _Origin | None, bool, str], urllib3.PoolManager] = {}

    def send(self, exchange: Exchange, *, more: Mapping[str, str], verify: bool) -> Answer:
        """Any answer at all. Raises Transient when none came, RegistryError when the certificate isn't trusted."""
        origin(exchange.url)
        headers = {"User-Agent": self._options.user_agent, "Accept-Encoding": "identity", **exchange.headers, **more}
        body = exchange.body
        if isinstance(body, Sized):
            headers["Content-Length"] = str(len(body))
        try:
            response = self._pool(exchange.url, verify=verify).urlopen(
                exchange.method,
                exchange.url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                chunked=not (body is None or isinstance(body, Sized)),
                timeout=urllib3.Timeout(connect=exchange.connect_seconds, read=exchange.answer_seconds),
            )
        except urllib3.exceptions.LocationValueError as error:
            raise RegistryError(f"{exchange.method} {shown(exchange.url)}: {error}") from error
        except ValueError:  # whose words have the header in them
            message = f"{exchange.method} {shown(exchange.url)}: a header has characters that can't be sent"
            hint = f"look for line ends and letters beyond ASCII in the credentials for {exchange.asked.host}"
            raise RegistryError(message, hint=hint) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._no_answer(exchange, error) from error
        return Answer(response, exchange)

    def _no_answer(self, exchange: Exchange, error: Exception) -> Exception:
        """What to raise; the way that failed may have been the one to the proxy."""
        where = f"{exchange.method} {shown(exchange.url)}"
        if isinstance(error, urllib3.exceptions.ProxyError):
            where += "".join(f" by the proxy {shown(proxy)}" for proxy in self._options.proxies_for(exchange.url).values())
        return _no_answer(where, exchange.asked.host, error)

    def _pool(self, url: str, *, verify: bool) -> urllib3.PoolManager:
        """One for all hosts that are reached and trusted alike; those with a certificate of their own have one each."""
        place = origin(url)
        scheme, own = place[0], place if place in self._own else None
        proxy = self._options.proxies_for(url).get(scheme, "")
        key = (scheme, own, verify, proxy)
        with self._lock:
            if key not in self._pools:
                context = self._context(own, verify=verify) if scheme == "https" else None
                self._pools[key] = self._through(proxy, context) if proxy else urllib3.PoolManager(**_pool_options(context))
                self._pools[key].pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
            return self._pools[key]

    def _through(self, proxy: str, context: ssl.SSLContext | None) -> urllib3.ProxyManager:
        """`proxy` is a URL, which may name a user and a password. Raises RegistryError for what is no HTTP proxy."""
        parts = urlsplit(proxy)
        options = _pool_options(context)
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            options["proxy_headers"] = urllib3.util.make_headers(proxy_basic_auth=user)
        if parts.scheme == "https":
            options["proxy_ssl_context"] = self._context(None, verify=True)
        try:
            return urllib3.ProxyManager(proxy, **options)
        except urllib3.exceptions.ProxySchemeUnknown as error:
            hint = "HTTP_PROXY and HTTPS_PROXY name a proxy as http://HOST:PORT or https://HOST:PORT"
            raise RegistryError(f"can't use the proxy {shown(proxy)!r}: {error}", hint=hint) from error

    def _context(self, own: _Origin | None, *, verify: bool) -> ssl.SSLContext:
        """Trusts what the options say, Mozilla's list as `requests` does, and the host's own certificate; shows the client's."""
        shown, certificate = (None, None) if own is None else (self._shown.get(own), self._certificates.get(own))
        if not verify:
            return blind_context(shown)
        import certifi  # only for TLS

        more = [Path(certifi.where()), *([certificate] if certificate else [])]
        return self._options.trust.context(*more, shown=shown)


def _pool_options(context: ssl.SSLContext | None) -> dict[str, Any]:
    options: dict[str, Any] = {"num_pools": _POOL, "maxsize": _POOL}
    return options if context is None else {**options, "ssl_context": context}


def _no_answer(where: str, host: str, error: Exception) -> Exception:
    cause = innermost(error)
    message = f"{where}: {told(cause)}"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        hint = f"trust its CA with --registry-certificate {host}=FILE, or don't verify: --skip-tls-verify-registry"
        return RegistryError(message, hint=hint)
    if _PROXY_REFUSES.search(str(cause)):
        return RegistryError(message, hint="the proxy wants a user and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT")
    if isinstance(cause, ssl.SSLError) and _WANTS_CERTIFICATE.search(str(cause)):
        hint = f"the server wants a client certificate that it trusts: --registry-client-cert {host}=CERT,KEY"
        return RegistryError(message, hint=hint)
    if isinstance(cause, socket.gaierror) and cause.errno in _NO_SUCH_HOST:
        return RegistryError(message, hint=f"is {host!r} spelled right, and does this machine have a network?")
    return Transient(RegistryError(message, hint="is the registry up, and can it be reached from here?"))


def _gunzipped(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(data, most)
    except zlib.error:  # it only says so
        return data


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


@lru_cache(64)  # each request asks several times
def origin(url: str) -> _Origin:
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


def _https(host: str) -> _Origin:
    return origin(f"https://{api_host(host)}")


def api_host(host: str) -> str:
    return _HUB_API if host == DEFAULT_HOST else host
