"""Where credentials come from: one driver a file, tried in the order of DRIVERS, each for the registries it knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Protocol

from builder.credentials.credential import Credential
from builder.errors import UsageError
from builder.image.reference import Repository
from builder.values import dataclass

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

DRIVERS: Mapping[str, str] = {
    ALWAYS: "docker_config.DockerConfig",
    "env": "environment.Environment",
    "google": "google.Google",
    "ecr": "aws.Ecr",
    "acr": "azure.Acr",
    "gitlab": "gitlab.GitLab",
}
"""Kaniko's names → drivers, made from the environment, in the order they are asked; a build that meets no registry loads none."""


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
    from builder.credentials.cautious import Cautious

    names = chosen(helpers)
    log.debug("credential providers by priority: [%s]", " ".join(names))
    return (_driver(ALWAYS)(env), *(Cautious(_driver(name)(env)) for name in names if name != ALWAYS))


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
