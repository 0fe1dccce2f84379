"""URLs of registries, read in one way by all: what is compared is what is connected to."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urljoin

from builder.errors import RegistryError
from builder.values import dataclass
from builder.web import is_ambiguous, shown

_PORTS = {"http": 80, "https": 443}
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?:(?P<user>[^/?#]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::0*(?P<port>[0-9]{0,5}))?"
    r"(?P<target>(?:/[^?#]*)?(?:\?[^#]*)?)(?:#.*)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What has to be equal for one server to be shown another's secrets; lower case, an IPv6 address in brackets."""

    scheme: str
    host: str
    port: int

    @property
    def name(self) -> str:
        """As certificates have it: without a dot at the end, which is for resolvers, and an address without brackets."""
        return self.host.removesuffix(".").strip("[]")

    @property
    def authority(self) -> str:
        """As Host headers have it: with the port, unless that is the scheme's own."""
        host = self.host.removesuffix(".")
        return host if self.port == _PORTS.get(self.scheme) else f"{host}:{self.port}"


def origin(url: str) -> Origin:
    """Where it leads. Raises RegistryError as `parsed` does."""
    return parsed(url)[0]


@lru_cache(64)  # each request asks several times
def parsed(url: str) -> tuple[Origin, str]:
    """Where it leads, and what the server there is asked for: path and query, letter for letter.

    Raises RegistryError for a URL that names a user or that others may read differently (`https://a\\@b/` is at `b` for some).
    """
    found = _URL.fullmatch(url)
    port = int(found["port"] or 0) if found else 0
    if found is None or port > 65535 or not all(1 <= len(label) <= 63 for label in _labels(found["host"])):
        raise RegistryError(f"malformed URL {shown(url)!r}")
    if is_ambiguous(url) or found["user"] is not None:
        raise RegistryError(
            f"refused the URL {shown(url)!r}: it can be read in more than one way", hint="who gave it means no good"
        )
    scheme, target = found["scheme"].lower(), found["target"]
    place = Origin(scheme=scheme, host=found["host"].lower(), port=port or _PORTS.get(scheme, 0))
    return place, target if target.startswith("/") else f"/{target}"


def _labels(host: str) -> list[str]:
    return ["1"] if host.startswith("[") else host.removesuffix(".").split(".")


def joined(url: str, location: str) -> str:
    """What `location`, which an answer from `url` has, means. Raises RegistryError when that is nothing."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise RegistryError(f"malformed URL in an answer from {shown(url)}: {location[:200]!r}") from error
