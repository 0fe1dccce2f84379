"""Credentials in variables that name their host: KANIKO_REGISTRY_EXAMPLE_COM_USER and …_PASSWORD for registry.example.com.

The host is in upper case, each `.` and `-` an `_`, a port follows the name. The fork of Kaniko that has it also gives what is
meant for example.com to registry.example.com. Here a variable is for one host.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping

from builder.credentials.credential import Credential
from builder.credentials.hosts import normal, split_port
from builder.image.reference import DEFAULT_HOST, Repository

log = logging.getLogger(__name__)

_HUB_HOSTS = (DEFAULT_HOST, "index.docker.io")
_SHORT_SUFFIX = re.compile(r"[a-z]{2,3}\.[a-z]{2}")  # co.uk, com.br: anybody can have a name below it


class Environment:
    """All variables of `env`."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = {name: value for name, value in env.items() if name.startswith("KANIKO_")}
        self._explained: set[str] = set()

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        host = normal(repository.host)
        for name in _names(host):
            user, password = self._env.get(f"{name}_USER"), self._env.get(f"{name}_PASSWORD")
            if user is not None and password is not None:
                return Credential(username=user, password=password)
        self._explain(host)
        return None

    def _explain(self, host: str) -> None:
        """Say once why variables that look as if they were meant for this host aren't used."""
        if host in self._explained:
            return
        self._explained.add(host)
        exact = next(_names(host))
        for name in (_spelled(host), *_parents(host)):
            if f"{name}_PASSWORD" in self._env:
                log.warning(
                    "%s_PASSWORD is not shown to %r: the variables for it are %s_USER and %s_PASSWORD", name, host, exact, exact
                )


def _names(host: str) -> Iterator[str]:
    """The variables' names without their ends, that stand for this host and no other."""
    for name in _HUB_HOSTS if host == DEFAULT_HOST else (host,):
        yield _spelled(name, hyphen="_" if _is_unmistakable(name) else "__")
        if "-" in name:
            yield _spelled(name, hyphen="__")
        yield _spelled(name, hyphen="-", dot=".", colon=":")


def _spelled(host: str, *, hyphen: str = "_", dot: str = "_", colon: str = "_") -> str:
    name, port = split_port(host)
    text = name.replace("-", hyphen).replace(".", dot).upper()
    return f"KANIKO_{text}{colon}{port}" if port else f"KANIKO_{text}"


def _is_unmistakable(host: str) -> bool:
    """Whether a hyphen may be spelled as a dot is: registry-example.com must not get what is meant for registry.example.com.

    Without hyphens in the end of the name, which is what can be bought, both are the same owner's.
    """
    labels = split_port(host)[0].split(".")
    count = 3 if _SHORT_SUFFIX.fullmatch(".".join(labels[-2:])) else 2
    return not any("-" in label for label in labels[-count:])


def _parents(host: str) -> Iterator[str]:
    """What the fork would also take."""
    labels = host.split(".")
    return (_spelled(".".join(labels[start:])) for start in range(1, len(labels) - 1))
