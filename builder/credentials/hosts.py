"""Registry hosts as drivers compare them: a credential goes to the host that its driver knows, and to no look-alike."""

from __future__ import annotations

import re

from builder.image.reference import DEFAULT_HOST

_HUB_HOSTS = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_PORT = re.compile(r"(?P<name>.*):(?P<port>[0-9]{1,5})", re.DOTALL)


def normal(host: str) -> str:
    """One spelling of what may be spelled in several ways: lower case, no port of https, Docker Hub's name."""
    host = host.lower().removesuffix(":443")
    return DEFAULT_HOST if host in _HUB_HOSTS else host


def matches(pattern: re.Pattern[str], host: str) -> re.Match[str] | None:
    """The whole host, on https's own port, in the words of a pattern that is written in lower case."""
    return pattern.fullmatch(normal(host))


def split_port(host: str) -> tuple[str, str]:
    """Name and port of a host that `normal` gave, the port empty for https's."""
    found = _PORT.fullmatch(host)
    return (found["name"], found["port"]) if found else (host, "")
