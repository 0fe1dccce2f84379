"""Authorization: challenges, Basic, and Bearer tokens (distribution's token specification; RFC 6750, RFC 7235)."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlencode, urlsplit, urlunsplit

from builder.credentials import Credential, Credentials
from builder.errors import AuthError, RegistryError
from builder.image.reference import Repository
from builder.values import dataclass, field, replace
from builder.web import shown

_CLIENT_ID = "masu"
_REFUSED = frozenset({400, 401, 403})
"""How token servers answer a credential that was good once: 401 (distribution), 400 (RFC 6749, 5.2), 403 (ghcr.io)."""
_DEFAULT_LIFE = 60.0
_MARGIN = 10.0
"""Seconds before its end that a token is no longer used."""

_PART = r'([A-Za-z0-9!#$%&\'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?'
"""A scheme, or a parameter of the scheme before it; what stands between them is skipped."""
_TOKEN_TEXT = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What one scheme of a WWW-Authenticate header wants; `scheme` and the parameters' names are lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, header: str) -> tuple[Challenge, ...]:
        """All challenges of a header, or of several joined with commas (RFC 7235, 4.1)."""
        found: list[tuple[str, dict[str, str]]] = []
        for match in re.finditer(_PART, header):
            name, quoted, bare = match[1].lower(), match[2], match[3]
            if quoted is None and bare is None:
                found.append((name, {}))
            elif found:
                found[-1][1][name] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else bare
        return tuple(cls(scheme=scheme, parameters=parameters) for scheme, parameters in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """`form` makes it a POST; `authorization` belongs to the realm's own host alone; the rest says what it is for."""

    url: str
    authorization: str | None = None
    form: bytes | None = None
    path: str = ""
    push: bool = False
    username: str | None = None
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """`header` is the Authorization to send, if any; `username` whom it is for: empty for a token, None without credentials.

    `service` is what the registry calls itself.
    """

    header: str | None
    username: str | None
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    """`scopes` were asked for, with `credential`; they need not all be granted, so that nobody else is served with it."""

    header: str
    credential: Credential | None
    scopes: frozenset[str]
    expires: float


class Authorizer:
    """The authorization for one registry; threads share it.

    `fetch` sends a TokenRequest and returns the body of a good answer; `clock` gives seconds; `is_safe` says whether a token
    realm may be shown credentials. A scope is `repository:<path>:<action>`, one action each.
    """

    def __init__(
        self,
        *,
        credentials: Credentials,
        fetch: Callable[[TokenRequest], bytes],
        clock: Callable[[], float],
        is_safe: Callable[[str], bool],
        challenges: tuple[Challenge, ...],
    ) -> None:
        self._credentials = credentials
        self._fetch = fetch
        self._clock = clock
        self._is_safe = is_safe
        self._challenges = challenges
        self._tokens: list[_Token] = []
        self._found: dict[Repository, Credential | None] = {}
        self._lock = threading.Lock()

    def grant(self, repository: Repository, scopes: frozenset[str]) -> Granted:
        """What to send with a request that needs `scopes`: a token is fetched when none is at hand."""
        with self._lock:
            return self._grant(repository, scopes)

    def renew(
        self, repository: Repository, scopes: frozenset[str], *, challenges: Sequence[Challenge], refused: Granted
    ) -> Granted | None:
        """What to send after `refused` met a 401 with these challenges; None if there is nothing else to try."""
        with self._lock:
            self._challenges = tuple(challenges) or self._challenges
            self._tokens = [token for token in self._tokens if token.header != refused.header]
            self._found[repository] = self._credentials.find(repository, refused=self._found.get(repository))
            asked = frozenset(scope for challenge in challenges for scope in _split(challenge.parameters.get("scope", "")))
            return self._grant_other(repository, scopes | asked, refused=refused)

    def update(self, repository: Repository, scopes: frozenset[str], *, refused: Granted) -> Granted | None:
        """What to send after `refused` met a 403, if its credential has been replaced at its source meanwhile; else None."""
        with self._lock:
            self._found[repository] = self._credentials.find(repository) or self._found.get(repository)
            return self._grant_other(repository, scopes, refused=refused)

    def _grant_other(self, repository: Repository, scopes: frozenset[str], *, refused: Granted) -> Granted | None:
        granted = self._grant(repository, scopes)
        return None if granted.header in (None, refused.header) else granted

    def _grant(self, repository: Repository, scopes: frozenset[str]) -> Granted:
        if repository not in self._found:
            self._found[repository] = self._credentials.find(repository)
        schemes = {challenge.scheme: challenge for challenge in reversed(self._challenges)}
        credential = self._found[repository]
        if "bearer" in schemes and not (credential is not None and credential.registry_token):
            header = self._bearer(schemes["bearer"], repository, scopes)
            username = _username(self._found[repository])
            return Granted(header=header, username=username, service=schemes["bearer"].parameters.get("service", ""))
        username = _username(credential)
        if credential is not None and credential.registry_token:
            return Granted(header=f"Bearer {credential.registry_token}", username=username)
        if "basic" in schemes and credential is not None and credential.password:
            return Granted(header=_basic(credential), username=username)
        return Granted(header=None, username=username)

    def _bearer(self, challenge: Challenge, repository: Repository, scopes: frozenset[str]) -> str:
        """A token for these scopes; a credential that has come to its end in a long build is looked for once more."""
        credential = self._found[repository]
        try:
            return self._token(challenge, repository, credential, scopes)
        except RegistryError as error:
            if credential is None or error.status not in _REFUSED:
                raise
            newer = self._credentials.find(repository, refused=credential)
            if newer in (None, credential):
                raise
            self._found[repository] = newer
            return self._token(challenge, repository, newer, scopes)

    def _token(self, challenge: Challenge, repository: Repository, credential: Credential | None, scopes: frozenset[str]) -> str:
        now = self._clock()
        self._tokens = [token for token in self._tokens if token.expires > now]
        for token in self._tokens:
            if token.credential == credential and token.scopes >= scopes:
                return token.header
        request = replace(
            self._request(challenge, credential, scopes),
            path=repository.path,
            push=any(scope.endswith(":push") for scope in scopes),
            username=_username(credential),
            service=challenge.parameters.get("service", ""),
        )
        token = _read_token(self._fetch(request), credential, scopes, now)
        self._tokens.append(token)
        return token.header

    def _request(self, challenge: Challenge, credential: Credential | None, scopes: frozenset[str]) -> TokenRequest:
        realm = challenge.parameters.get("realm", "")
        if not _is_url(realm) or not self._is_safe(realm):
            hint = "the registry is set up wrongly, or someone sits in between"
            raise AuthError(f"the token realm {shown(realm)!r} is not reached by https: no credentials are sent there", hint=hint)
        query = [("service", service)] if (service := challenge.parameters.get("service")) else []
        if credential is not None and credential.identity_token:
            form = [("grant_type", "refresh_token"), *query, ("client_id", _CLIENT_ID), ("scope", " ".join(_join(scopes)))]
            return TokenRequest(url=realm, form=urlencode([*form, ("refresh_token", _bytes(credential.identity_token))]).encode())
        query += [("scope", scope) for scope in _join(scopes)]
        parts = urlsplit(realm)
        url = urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, urlencode(query)]))))
        if credential is None:
            return TokenRequest(url=url)
        return TokenRequest(url=url, authorization=_basic(credential))


def _username(credential: Credential | None) -> str | None:
    return None if credential is None else credential.username


def _is_url(realm: str) -> bool:
    try:
        return bool(urlsplit(realm).hostname)
    except ValueError:
        return False


def _basic(credential: Credential) -> str:
    return "Basic " + base64.b64encode(_bytes(f"{credential.username}:{credential.password}")).decode()


def _bytes(text: str) -> bytes:
    """As variables and files have it, which need not be UTF-8."""
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:  # whose words have it all in them
        raise AuthError("the credentials have half a character in them", hint="look for \\ud8… in a docker config") from None


def _read_token(body: bytes, credential: Credential | None, scopes: frozenset[str], now: float) -> _Token:
    try:
        answer = json.loads(body)
        text, life = answer.get("token") or answer.get("access_token"), float(answer.get("expires_in") or _DEFAULT_LIFE)
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise AuthError("the token server's answer is not a JSON object with a token") from error
    if not isinstance(text, str):
        raise AuthError("the token server's answer has no token")
    if not _TOKEN_TEXT.fullmatch(text):
        raise AuthError("the token server's answer has a token that no header can hold: it isn't printable ASCII")
    end = now + life - min(_MARGIN, life / 2)
    return _Token(header=f"Bearer {text}", credential=credential, scopes=scopes, expires=end)


def _split(text: str) -> Iterator[str]:
    """`repository:a:pull,push` → `repository:a:pull`, `repository:a:push`."""
    for scope in text.split():
        resource, colon, actions = scope.rpartition(":")
        if colon:
            yield from (f"{resource}:{action}" for action in actions.split(","))


def _join(scopes: frozenset[str]) -> list[str]:
    actions: dict[str, list[str]] = {}
    for scope in sorted(scopes):
        resource, _, action = scope.rpartition(":")
        actions.setdefault(resource, []).append(action)
    return [f"{resource}:{','.join(names)}" for resource, names in actions.items()]
