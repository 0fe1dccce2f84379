"""Where credentials come from: one driver a file, tried in the order of DRIVERS, each for the registries it knows."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Protocol

from builder.credentials.credential import Credential
from builder.errors import UsageError
from builder.image.reference import Repository
from builder.values import dataclass

__all__ = ["ALWAYS", "DRIVERS", "Chain", "Credential", "Credentials", "chosen", "from_environment", "may_know"]

log = logging.getLogger(__name__)


class Credentials(Protocol):
    """Threads may share one."""

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        """What to show for this repository, or None; `refused` is the last answer if the registry didn't take it.

        Raises BuilderError when a source is malformed or its helper fails, CredentialError where going on without may do.
        """
        ...


ALWAYS = "default"
"""The driver that --credential-helpers can't switch off."""

DRIVERS: Mapping[str, str] = {
    ALWAYS: "docker_config.DockerConfig",
    "env": "environment.Environment",
    "google": "google.Google",
    "ecr": "aws.Ecr",
    "acr": "azure.Acr",
    "gitlab": "gitlab.GitLab",
}
"""Kaniko's names → drivers, made from the environment, in the order they are asked; a build that meets no registry loads none."""

_WORDS: Mapping[str, Sequence[str]] = {"google": ("gcr.io", "pkg.dev", "google.com"), "ecr": ("ecr",), "acr": (".azurecr.",)}
"""One of them is in each host that a cloud's driver knows, which isn't loaded for others."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The first answer of several drivers."""

    drivers: Sequence[Credentials] = ()

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        answers = (driver.find(repository, refused=refused) for driver in self.drivers)
        return next((found for found in answers if found is not None), None)


class _Deferred:
    """A cloud's driver, made for the first host that it may know."""

    def __init__(self, name: str, env: Mapping[str, str]) -> None:
        self._name = name
        self._env = dict(env)
        self._lock = threading.Lock()
        self._driver: Credentials | None = None

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        if not may_know(self._name, repository.host):
            return None
        with self._lock:
            self._driver = self._driver or _driver(self._name)(self._env)
        return self._driver.find(repository, refused=refused)


def may_know(name: str, host: str) -> bool:
    """Whether the driver of this name has to be asked about a host."""
    return name not in _WORDS or any(word in host.lower() for word in _WORDS[name])


def from_environment(env: Mapping[str, str], *, helpers: Sequence[str] = ()) -> tuple[Credentials, ...]:
    """The drivers, each reading what it needs from `env` and the files it names.

    `helpers` chooses and orders all but the first; empty for the table's own. Raises UsageError for an unknown one.
    """
    from builder.credentials.cautious import Cautious

    names = chosen(helpers)
    log.debug("credential providers by priority: [%s]", " ".join(names))
    others = (_Deferred(name, env) if name in _WORDS else _driver(name)(env) for name in names if name != ALWAYS)
    return (_driver(ALWAYS)(env), *map(Cautious, others))


def _driver(name: str) -> Callable[[Mapping[str, str]], Credentials]:
    module, _, kind = DRIVERS[name].partition(".")
    made: Callable[[Mapping[str, str]], Credentials] = getattr(import_module(f"{__name__}.{module}"), kind)
    return made


def chosen(helpers: Sequence[str]) -> list[str]:
    """The names of the drivers; an empty one, as in `--credential-helpers ""`, stands for none. Raises UsageError."""
    if not helpers:
        return list(DRIVERS)
    names = [name.strip() for text in helpers for name in text.split(",") if name.strip()]
    for name in names:
        if name not in DRIVERS:
            hint = f'helpers are {", ".join(DRIVERS)}; "" alone leaves the docker config only'
            raise UsageError(f"unknown credential helper {name!r}", hint=hint)
    return list(dict.fromkeys([ALWAYS, *names]))
