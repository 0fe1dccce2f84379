"""Where credentials come from: one driver a file, tried in the order of DRIVERS, each for the registries it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from builder.credentials.credential import Credential
from builder.credentials.docker_config import DockerConfig
from builder.image.reference import Repository

__all__ = ["DRIVERS", "Chain", "Credential", "Credentials", "from_environment"]


class Credentials(Protocol):
    """Threads may share one."""

    def find(self, repository: Repository) -> Credential | None:
        """What to show for this repository, or None; asked again when the registry refused the last answer.

        Raises BuilderError when a source is malformed or its helper fails.
        """
        ...


DRIVERS: Mapping[str, Callable[[Mapping[str, str]], Credentials]] = {
    "docker-config": DockerConfig,
}
"""Name → driver, made from the environment, in the order they are asked."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The first answer of several drivers."""

    drivers: Sequence[Credentials] = ()

    def find(self, repository: Repository) -> Credential | None:
        return next((found for driver in self.drivers if (found := driver.find(repository)) is not None), None)


def from_environment(env: Mapping[str, str]) -> tuple[Credentials, ...]:
    """All drivers, each reading what it needs from `env` and the files it names."""
    return tuple(make(env) for make in DRIVERS.values())
