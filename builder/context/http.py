"""The one door to the web beside registries: files that ADD and build contexts name by URL.

As BuildKit does (source/http/source.go): redirects are followed wherever they lead, what a server compressed on its own account
arrives as it was, the time is Last-Modified. Beyond that broken transfers go on where they broke, and sizes are bounded.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
import shutil
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
import requests.adapters
import urllib3
import urllib3.exceptions

from builder.context.resumable import CHUNK, Part, Resumable
from builder.context.source import Archive, Means, Origin, unreachable
from builder.errors import ContextError
from builder.image.digest import Digest
from builder.retry import TRANSIENT, Retry, Transient
from builder.trust import Trust
from builder.web import UNESCAPED, Secret, is_ambiguous, no_secret, proxies_for, proxies_of, retry_after, shown

log = logging.getLogger(__name__)

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10  # as Go's http.Client
_LARGEST = 64 << 30  # bytes
_SPARE = 64 << 20  # bytes of the disk left free
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
_PARTIAL = 206
_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)")
_MOST_DIGITS = 19
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")
_CONNECT_SECONDS, _READ_SECONDS = 30, 120
_TIME_FORMATS = ("%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y")  # RFC 9110, 5.6.7


class HttpSource:
    """A tar archive behind a URL, or a Dockerfile."""

    def __init__(self, means: Means) -> None:
        self._web = Web(means.env, user_agent=means.user_agent, secret=means.secret, retry=means.retry)

    def fetch(self, text: str, directory: Path) -> Archive:
        answers = _Answers(self._web, text, most=_LARGEST)
        # As for docker, whose ignore files count for directories only.
        return Archive(stream=answers.stream(), has_rules=False, may_be_dockerfile=True, modified=lambda: answers.modified)


class Web:
    """`env` gives proxies and CA files; `secret` may know HTTP_AUTH_HEADER_<host> and HTTP_AUTH_TOKEN_<host>."""

    def __init__(
        self, env: Mapping[str, str], *, user_agent: str, secret: Secret = no_secret, retry: Retry | None = None
    ) -> None:
        self._proxies = proxies_of(env)
        self._trust = Trust.of(env)
        self._user_agent = user_agent
        self._secret = secret
        self._retry = retry or Retry()

    def download(self, url: str, to: Path, *, checksum: Digest | None = None) -> Origin:
        """Write what is at `url` to the file `to` (mode 0600), its time that of Last-Modified, else 1970.

        Raises ContextError: no such host, a status that isn't 2xx, a digest other than `checksum`, too large for the disk.
        """
        hasher, room, written = checksum.hasher() if checksum else hashlib.sha256(), _room(to), 0
        answers = _Answers(self, url, most=room)
        with answers.stream() as stream, open(os.open(to, _CREATE, 0o600), "wb") as file:
            while chunk := stream.read(CHUNK):
                written += len(chunk)
                if written > room:
                    raise _too_large(url, room)
                hasher.update(chunk)
                file.write(chunk)
        if checksum and hasher.hexdigest() != checksum.hex:
            message = f"GET {shown(url)}: it has the digest {checksum.algorithm}:{hasher.hexdigest()}, expected {checksum}"
            raise ContextError(message, hint="the file has changed, or the checksum is for another one")
        os.utime(to, (answers.modified, answers.modified))
        return Origin(url=shown(url), algorithm=checksum.algorithm if checksum else "sha256", hex=hasher.hexdigest())

    def open(self, url: str) -> BinaryIO:
        """What is at `url` as a stream, which goes on where a connection broke. Raises ContextError, also while it is read."""
        return _Answers(self, url, most=_LARGEST).stream()

    def put(self, url: str, data: bytes) -> None:
        """Send the text `data` to the URL, which may be a signed one, as Kaniko sends digest files. Raises ContextError."""
        self._retry.run(lambda: self._put(url, data))

    def _put(self, url: str, data: bytes) -> None:
        with self._session() as session:
            try:
                answer = self._ask(session, url, {"Content-Type": "text/plain"}, method="PUT", data=data)
            except ValueError as error:
                raise _invalid(f"invalid URL {shown(url)!r}") from error
            self._checked(answer, url).close()

    def ask(self, url: str, more: Mapping[str, str]) -> tuple[requests.Session, requests.Response]:
        """The answer to one GET with the headers `more`, at the end of redirects; the receiver closes both.

        Raises ContextError, and Transient for what may pass.
        """
        session = self._session()
        try:
            return session, self._follow(session, url, more)
        except ValueError as error:  # what the standard library makes of a host or port that can't be one
            session.close()
            raise _invalid(f"invalid URL {shown(url)!r}, or one it redirects to") from error
        except BaseException:
            session.close()
            raise

    def location(self, url: str, headers: Mapping[str, str]) -> str:
        """Where one GET is redirected to, which isn't followed; empty when it isn't redirected. Raises ContextError."""

        def once() -> str:
            with self._session() as session, closing(self._ask(session, url, headers)) as response:
                target = response.headers.get("Location", "") if response.status_code in _REDIRECTS else ""
            target = urljoin(url, target) if target else ""
            _host(target)  # which has to have one that can be
            return target

        try:
            return self._retry.run(once)
        except ValueError as error:
            raise _invalid(f"invalid URL {shown(url)!r}, or one it redirects to") from error

    @property
    def retry(self) -> Retry:
        return self._retry

    def _follow(self, session: requests.Session, url: str, more: Mapping[str, str]) -> requests.Response:
        """The answer at the end of the redirects. What authorizes is for the first host alone."""
        here, authorization = url, self._authorization(url)
        for _ in range(_MOST_REDIRECTS + 1):
            headers = authorization if _host(here) == _host(url) else {}
            response = self._ask(session, here, {**more, **headers})
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or location is None:
                return self._checked(response, here)
            response.close()
            parts = urlsplit(urljoin(here, location))
            target = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
            _refuse_odd(urljoin(here, location))
            if here.startswith("https:") and not target.startswith("https:"):
                log.warning("GET %s: redirected to plain http at %s", shown(here), shown(target))
            here = target
        raise ContextError(f"GET {shown(url)}: more than {_MOST_REDIRECTS} redirects")

    def _ask(
        self, session: requests.Session, url: str, more: Mapping[str, str], *, method: str = "GET", data: bytes | None = None
    ) -> requests.Response:
        _refuse_odd(url)
        headers = {"User-Agent": self._user_agent, "Accept-Encoding": "identity", **more}
        proxies = proxies_for(url, self._proxies)
        try:
            request = requests.Request(method, url, headers=headers, data=data).prepare()
            return session.send(
                request,
                stream=True,
                allow_redirects=False,
                timeout=(_CONNECT_SECONDS, _READ_SECONDS),
                proxies=proxies,
            )
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema) as error:
            raise ContextError(f"{method} {shown(url)}: it is no URL that can be reached", hint=UNESCAPED) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failed = proxies.values() if isinstance(error, requests.exceptions.ProxyError) else ()
            by = "".join(f" by the proxy {shown(proxy)}" for proxy in failed)
            raise unreachable(f"{method} {shown(url)}{by}", error) from error

    def _checked(self, response: requests.Response, url: str) -> requests.Response:
        status = response.status_code
        if 200 <= status < 300:
            return response
        response.close()
        method = response.request.method
        hint = _hint(status, url) if method == "GET" else "is it a signed URL, made for PUT and text/plain, and still valid?"
        error = ContextError(f"{method} {shown(url)}: {status} {response.reason}".rstrip(), hint=hint)
        if status in TRANSIENT:
            raise Transient(error, retry_after=retry_after(response.headers, now=time.time()))
        raise error

    def _authorization(self, url: str) -> dict[str, str]:
        host = urlsplit(url).hostname or ""
        if token := self._secret(f"HTTP_AUTH_TOKEN_{host}"):
            return {"Authorization": f"Bearer {token.decode('latin-1').strip()}"}
        if header := self._secret(f"HTTP_AUTH_HEADER_{host}"):
            return {"Authorization": header.decode("latin-1").strip()}
        return {}

    def _session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", _TrustingAdapter(self._trust.context()))
        return session


class _Answers:
    """The answers that together bring one file; `modified` is the time that the last of them told."""

    def __init__(self, web: Web, url: str, *, most: int) -> None:
        self._web = web
        self._url = url
        self._most = most
        self._encoded = False
        self.modified = 0

    def stream(self) -> BinaryIO:
        return io.BufferedReader(Resumable(self._part, name=f"GET {shown(self._url)}", retry=self._web.retry), CHUNK)

    def _part(self, offset: int, version: str) -> Part:
        """What a server compressed on its own account has to begin anew: offsets count the bytes before that."""
        ranged = offset and version and not self._encoded
        session, response = self._web.ask(self._url, {"Range": f"bytes={offset}-", "If-Range": version} if ranged else {})
        try:
            self.modified = _last_modified(response.headers.get("Last-Modified", ""))
            # As Go's client, which takes gzip of a server's own accord for a matter of the transfer.
            self._encoded = response.headers.get("Content-Encoding", "").lower() == "gzip"
            start, total = _position(response, self._url, offset if ranged else 0)
            if total is not None and total > self._most:
                raise _too_large(self._url, self._most)
        except BaseException:
            session.close()
            raise
        return Part(
            start=start,
            total=None if self._encoded else total,
            version=_version(response.headers),
            read=partial(_read, response.raw, self._url, decode=self._encoded),
            close=partial(_close, response, session),
        )


def settle(session: requests.Session, env: Mapping[str, str]) -> None:
    """Have the session of a library trust and go by proxies as all of masu's connections do.

    Nothing else counts, so that no .netrc gives a login to hosts that another one is for, or to any.
    """
    session.trust_env = False
    adapter = _SettledAdapter(Trust.of(env).context(), proxies_of(env))
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)


class _TrustingAdapter(requests.adapters.HTTPAdapter):
    """Trusts what its context does; requests itself has no other way to be told."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: object, **details: object) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **details)  # type: ignore[arg-type]

    def proxy_manager_for(self, proxy: str, **details: object) -> urllib3.ProxyManager:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **details)  # type: ignore[no-any-return]


class _SettledAdapter(_TrustingAdapter):
    """Finds the proxy for each request by itself."""

    def __init__(self, context: ssl.SSLContext, proxies: Mapping[str, str]) -> None:
        self._proxies = proxies
        super().__init__(context)

    def send(self, request: requests.PreparedRequest, *args: Any, **details: Any) -> requests.Response:
        return super().send(request, *args, **{**details, "proxies": proxies_for(request.url or "", self._proxies)})


def _position(response: requests.Response, url: str, wanted: int) -> tuple[int, int | None]:
    """Where an answer begins, and the length of the whole (RFC 9110, 14.4)."""
    announced = response.headers.get("Content-Length", "")
    length = int(announced) if announced.isdecimal() and len(announced) < _MOST_DIGITS else None
    if response.status_code != _PARTIAL:
        return 0, length
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != wanted:
        raise ContextError(f"GET {shown(url)}: the server sent another part than the one asked for")
    return wanted, None if match[2] == "*" else int(match[2])


def _version(headers: Mapping[str, str]) -> str:
    """What If-Range takes: a strong ETag, or the time of the last change (RFC 9110, 13.1.5); empty if there is neither."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _read(raw: urllib3.HTTPResponse, url: str, most: int, *, decode: bool) -> bytes:
    try:
        return raw.read(most, decode_content=decode)
    except urllib3.exceptions.DecodeError as error:
        raise ContextError(f"GET {shown(url)}: the answer is not compressed as it says: {error}") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise Transient(ContextError(f"GET {shown(url)}: the answer broke off: {error}")) from error


def _close(response: requests.Response, session: requests.Session) -> None:
    response.close()
    session.close()


def _invalid(message: str) -> ContextError:
    """Without the library's words, which have a part of the password in them where that is why."""
    return ContextError(message, hint=UNESCAPED)


def _room(path: Path) -> int:
    return max(0, min(_LARGEST, shutil.disk_usage(path.parent).free - _SPARE))


def _too_large(url: str, room: int) -> ContextError:
    hint = f"there is room for {room} bytes: give masu's directory a larger disk with --state-dir"
    return ContextError(f"GET {shown(url)}: the file is too large", hint=hint)


def _last_modified(text: str) -> int:
    """Seconds since the epoch; 0 for what isn't a time in one of HTTP's three forms."""
    for form in _TIME_FORMATS:
        try:
            return int(datetime.strptime(text, form).replace(tzinfo=UTC).timestamp())
        except (ValueError, OverflowError):
            continue
    return 0


def _refuse_odd(url: str) -> None:
    """Raises ContextError for a URL whose host isn't the same to all who read it: what is for one must not go to another."""
    authority = _AUTHORITY.match(url)
    if authority is None or is_ambiguous(authority[1]):
        raise ContextError(f"GET {shown(url)}: it is no URL, or one that can be read in more than one way")


def _host(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _hint(status: int, url: str) -> str:
    if status in (401, 403):
        host = urlsplit(url).hostname
        return f"the server wants to know who asks: give a secret HTTP_AUTH_TOKEN_{host} or HTTP_AUTH_HEADER_{host}"
    if status in (404, 410):
        return "check the URL"
    return "the server has trouble of its own: try again later" if status >= 500 else ""
