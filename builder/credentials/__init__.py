"""Where credentials come from: one driver a file, tried in the order of DRIVERS, each for the registries it knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from builder.credentials.aws import Ecr
from builder.credentials.azure import Acr
from builder.credentials.cautious import Cautious
from builder.credentials.credential import Credential
from builder.credentials.docker_config import DockerConfig
from builder.credentials.environment import Environment
from builder.credentials.gitlab import GitLab
from builder.credentials.google import Google
from builder.errors import UsageError
from builder.image.reference import Repository

__all__ = ["ALWAYS", "DRIVERS", "Chain", "Credential", "Credentials", "chosen", "from_environment"]

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

DRIVERS: Mapping[str, Callable[[Mapping[str, str]], Credentials]] = {
    ALWAYS: DockerConfig,
    "env": Environment,
    "google": Google,
    "ecr": Ecr,
    "acr": Acr,
    "gitlab": GitLab,
}
"""Kaniko's names → drivers, made from the environment, in the order they are asked."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The first answer of several drivers."""

    drivers: Sequence[Credentials] = ()

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        answers = (driver.find(repository, refused=refused) for driver in self.drivers)
        return next((found for found in answers if found is not None), None)


def from_environment(env: Mapping[str, str], *, helpers: Sequence[str] = ()) -> tuple[Credentials, ...]:
    """The drivers, each reading what it needs from `env` and the files it names.

    `helpers` chooses and orders all but the first; empty for the table's own. Raises UsageError for an unknown one.
    """
    names = chosen(helpers)
    log.debug("credential providers by priority: [%s]", " ".join(names))
    return (DRIVERS[ALWAYS](env), *(Cautious(DRIVERS[name](env)) for name in names if name != ALWAYS))


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
