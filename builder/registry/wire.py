"""The one door to registries by HTTP: one request on the wire, and its answer, whole or none.

Nothing is kept between requests but connections: no cookies, no environment, no .netrc. The connections are our own: importing
urllib3 takes longer than fetching a small image.
"""

from __future__ import annotations

import base64
import os
import re
import socket
import ssl
import threading
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote_to_bytes, urlsplit

from builder.errors import RegistryError
from builder.image.reference import DEFAULT_HOST
from builder.registry.address import Origin, origin, parsed
from builder.registry.connection import Connections, Proxy, ProxyFailure, Question, Route, Unsendable
from builder.registry.failure import Asked, failure
from builder.registry.options import RegistryOptions
from builder.registry.request import Body
from builder.registry.response import Response
from builder.retry import Transient
from builder.trust import blind_context
from builder.values import dataclass, field
from builder.web import innermost, shown, told

_HUB_API = "registry-1.docker.io"
_MOST_ERROR_BYTES = 64 << 10
_SCHEMES = ("http", "https")
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, -5})  # -5: EAI_NODATA, which not every libc has
_PROXY_REFUSES = r"Tunnel connection failed: 40[137]"
_NUMBER = re.compile(r"[0-9]{1,18}")
_WANTS_CERTIFICATE = r"(?i)alert (?:[a-z ]*certificate|unknown ca)"
_ANSWER_SECONDS = 300
"""A registry may move a blob of several GB to its final place before it answers the last PUT."""


class Answer:
    """A registry's answer, whose body streams; a context manager, so that its connection is given back."""

    def __init__(self, response: Response, exchange: Exchange) -> None:
        self._response = response
        self._method = exchange.method
        self._asked = exchange.asked
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.url = exchange.url

    def read(self, size: int) -> bytes:
        """What has arrived, up to `size` bytes, empty at the end; raises Transient when the connection breaks."""
        try:
            return self._response.read(size)
        except OSError as error:
            raise self._broken_off(error) from error

    def readinto(self, buffer: memoryview) -> int:
        """What has arrived, straight into `buffer`; 0 at the end. Raises Transient when the connection breaks."""
        try:
            return self._response.readinto(buffer)
        except OSError as error:
            raise self._broken_off(error) from error

    def _broken_off(self, error: Exception) -> Transient:
        return Transient(RegistryError(f"{self._method} {shown(self.url)}: the answer broke off: {told(error)}"))

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
        if self._response.length is not None and self._response.length <= _MOST_ERROR_BYTES:
            with suppress(OSError):
                while self._response.read(_MOST_ERROR_BYTES):
                    pass
        self._response.close()


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
    """Sends single requests; threads share it."""

    def __init__(self, options: RegistryOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._certificates = {_https(host): path for host, path in options.certificates.items()}
        self._shown = {_https(host): shown for host, shown in options.client_certificates.items()}
        self._own = self._certificates.keys() | self._shown.keys()
        self._connections = Connections()
        self._contexts: dict[tuple[Origin | None, bool], ssl.SSLContext] = {}
        self._proxies: dict[str, Proxy] = {}

    def send(self, exchange: Exchange, *, more: Mapping[str, str], verify: bool) -> Answer:
        """Any answer at all. Raises Transient when none came, RegistryError when the certificate isn't trusted."""
        place, target = parsed(exchange.url)
        if place.scheme not in _SCHEMES:
            raise RegistryError(f"{exchange.method} {shown(exchange.url)}: its scheme is neither http nor https")
        question = Question(
            method=exchange.method,
            target=target,
            headers={"User-Agent": self._options.user_agent, "Accept-Encoding": "identity", **exchange.headers, **more},
            body=exchange.body,
            connect_seconds=exchange.connect_seconds,
            answer_seconds=exchange.answer_seconds,
        )
        route = self._route(exchange.url, place, verify=verify)
        try:
            return Answer(self._connections.ask(question, route), exchange)
        except Unsendable:
            message = f"{exchange.method} {shown(exchange.url)}: a header has characters that can't be sent"
            hint = f"look for line ends and letters beyond ASCII in the credentials for {exchange.asked.host}"
            raise RegistryError(message, hint=hint) from None
        except OSError as error:
            raise self._no_answer(exchange, error) from error

    def _no_answer(self, exchange: Exchange, error: OSError) -> Exception:
        """What to raise; the way that failed may have been the one to the proxy."""
        where = f"{exchange.method} {shown(exchange.url)}"
        if isinstance(error, ProxyFailure):
            where += "".join(f" by the proxy {shown(proxy)}" for proxy in self._options.proxies_for(exchange.url).values())
        return _no_answer(where, exchange.asked.host, innermost(error))

    def _route(self, url: str, place: Origin, *, verify: bool) -> Route:
        """Hosts that are trusted alike share what says so; those with a certificate of their own have their own."""
        proxy = self._options.proxies_for(url).get(place.scheme, "")
        own = place if place in self._own else None
        with self._lock:
            return Route(
                origin=place,
                context=self._context(own, verify=verify) if place.scheme == "https" else None,
                proxy=self._proxy(proxy) if proxy else None,
            )

    def _proxy(self, url: str) -> Proxy:
        """`url` may name a user and a password. Raises RegistryError for what is no HTTP proxy."""
        if url not in self._proxies:
            parts = urlsplit(url)
            if parts.scheme not in _SCHEMES:
                hint = "HTTP_PROXY and HTTPS_PROXY name a proxy as http://HOST:PORT or https://HOST:PORT"
                raise RegistryError(f"can't use the proxy {shown(url)!r}: its scheme is neither http nor https", hint=hint)
            self._proxies[url] = Proxy(
                origin=origin(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"),
                authorization="" if parts.username is None else _basic(parts.username, parts.password or ""),
                context=self._context(None, verify=True) if parts.scheme == "https" else None,
            )
        return self._proxies[url]

    def _context(self, own: Origin | None, *, verify: bool) -> ssl.SSLContext:
        if (own, verify) not in self._contexts:
            context = self._made_context(own, verify=verify)
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[own, verify] = context
        return self._contexts[own, verify]

    def _made_context(self, own: Origin | None, *, verify: bool) -> ssl.SSLContext:
        """Trusts what the options say, Mozilla's list as `requests` does, and the host's own certificate; shows the client's."""
        shown, certificate = (None, None) if own is None else (self._shown.get(own), self._certificates.get(own))
        if not verify:
            return blind_context(shown)
        import certifi  # only for TLS

        more = [Path(certifi.where()), *([certificate] if certificate else [])]
        return self._options.trust.context(*more, shown=shown)


def _basic(user: str, password: str) -> str:
    """As the URL has them, with what it escapes."""
    return "Basic " + base64.b64encode(unquote_to_bytes(os.fsencode(f"{user}:{password}"))).decode()


def _no_answer(where: str, host: str, cause: BaseException) -> Exception:
    message = f"{where}: {told(cause)}"
    if "CERTIFICATE_VERIFY_FAILED" in str(cause):
        hint = f"trust its CA with --registry-certificate {host}=FILE, or don't verify: --skip-tls-verify-registry"
        return RegistryError(message, hint=hint)
    if re.search(_PROXY_REFUSES, str(cause)):
        return RegistryError(message, hint="the proxy wants a user and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT")
    if isinstance(cause, ssl.SSLError) and re.search(_WANTS_CERTIFICATE, str(cause)):
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


def number(text: str) -> int | None:
    """A header's number of bytes; None if it is none that there could be."""
    return int(text) if _NUMBER.fullmatch(text.strip()) else None


def _https(host: str) -> Origin:
    return origin(f"https://{api_host(host)}")


def api_host(host: str) -> str:
    return _HUB_API if host == DEFAULT_HOST else host
