"""Amazon's registries, private and public, by the credentials that botocore finds: it is loaded for their hosts only.

Its chain: variables, web identity (IRSA), profiles, container credentials (EKS pod identity, ECS), the instance's role. One
token, good for 12 hours, serves all repositories that the principal may use in a region.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import IO, Any

from builder.credentials.credential import Credential
from builder.credentials.hosts import matches
from builder.errors import CredentialError
from builder.image.reference import Repository
from builder.values import dataclass

log = logging.getLogger(__name__)

_REGION = r"(?P<region>[a-z]{2,4}(?:-[a-z]+){1,3}-[0-9]{1,2})"
HOSTS = re.compile(rf"[0-9]{{12}}\.dkr\.ecr(?P<fips>-fips)?\.{_REGION}\.amazonaws\.(?:com|com\.cn|eu)")
DUAL_STACK_HOSTS = re.compile(rf"[0-9]{{12}}\.dkr-ecr(?P<fips>-fips)?\.{_REGION}\.on\.(?:aws|amazonwebservices\.com\.cn)")
PUBLIC_HOSTS = re.compile(r"public\.ecr\.aws|ecr-public\.aws\.com")
_PUBLIC_REGION = "us-east-1"
_MARGIN = 15 * 60.0
_LEAST_LIFE = 15 * 60.0
"""Seconds that a token is used whatever its end is said to be: a clock may be wrong, here or there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a token is given: one for each of these values."""

    service: str
    region: str
    fips: bool = False
    dual_stack: bool = False

    @classmethod
    def of(cls, host: str) -> Place | None:
        """That of a registry's host; None if it isn't Amazon's."""
        if matches(PUBLIC_HOSTS, host):
            return cls(service="ecr-public", region=_PUBLIC_REGION)
        dual_stack = matches(DUAL_STACK_HOSTS, host)
        found = dual_stack or matches(HOSTS, host)
        if found is None:
            return None
        return cls(service="ecr", region=found["region"], fips=bool(found["fips"]), dual_stack=dual_stack is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Token:
    credential: Credential
    end: float


class Ecr:
    """Reads the process's own environment, as botocore does; `env` says whom to trust. `clock` gives seconds since the epoch."""

    def __init__(self, env: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> None:
        self._env = dict(env)
        self._clock = clock
        self._lock = threading.Lock()
        self._session: Any = None
        self._authorities: IO[bytes] | None = None
        self._tokens: dict[Place, _Token] = {}
        self._is_without = False

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        place = Place.of(repository.host)
        if place is None:
            return None
        with self._lock:
            if self._is_without:
                return None
            token = self._tokens.get(place)
            if token is None or self._clock() >= token.end or token.credential == refused:
                token = self._fetch(place)
            if token is None:
                return None
            self._tokens[place] = token
            return token.credential

    def _fetch(self, place: Place) -> _Token | None:
        import botocore.exceptions

        try:
            session = self._opened(place)
            if session.get_credentials() is None:
                log.debug("no AWS credentials: neither variables nor files nor a role")
                self._is_without = True
                return None
            answer = _client(session, place).get_authorization_token()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, ValueError, OSError) as error:
            raise CredentialError(f"no credential from AWS in {place.region}: {error}", hint=_hint(place, error)) from error
        return _read(answer.get("authorizationData"), self._clock())

    def _opened(self, place: Place) -> Any:
        """Go's SDK, and so Kaniko, reads AWS_REGION; STS is asked in a region, too, which need not be told."""
        import botocore.session

        from builder.trust import Trust

        if self._session is None:
            session = botocore.session.Session()
            if not session.get_config_variable("ca_bundle"):
                self._authorities = Trust.of(self._env).bundle()
                session.set_config_variable("ca_bundle", f"/proc/self/fd/{self._authorities.fileno()}")
            if region := self._env.get("AWS_REGION") or (not session.get_config_variable("region") and place.region):
                session.set_config_variable("region", region)
            self._session = session
        return self._session


def _client(session: Any, place: Place) -> Any:
    from botocore.config import Config

    config = Config(
        connect_timeout=10, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 5},
        use_fips_endpoint=place.fips or None, use_dualstack_endpoint=place.dual_stack or None,
    )  # fmt: skip
    return session.create_client(place.service, region_name=place.region, config=config)


def _read(data: Any, now: float) -> _Token:
    """From the list that ECR gives, or the one object of the public registry."""
    try:
        entry = data[0] if isinstance(data, list) else data
        user, colon, password = base64.b64decode(entry["authorizationToken"]).decode().partition(":")
    except (LookupError, TypeError, binascii.Error, UnicodeDecodeError) as error:
        raise CredentialError("no credential from AWS: its answer has no authorization token") from error
    if not colon:
        raise CredentialError("no credential from AWS: its authorization token is not base64 of user:password")
    expires = entry.get("expiresAt")
    end = expires.timestamp() - _MARGIN if isinstance(expires, datetime) else 0.0
    return _Token(credential=Credential(username=user, password=password), end=max(end, now + _LEAST_LIFE))


def _hint(place: Place, error: Exception) -> str:
    if "AccessDenied" not in str(error):
        return "see docs/credentials.md; --credential-helpers leaves sources out"
    if place.service == "ecr-public":
        return "allow ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken"
    return "allow ecr:GetAuthorizationToken"
