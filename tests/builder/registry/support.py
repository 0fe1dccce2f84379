"""Repositories and transports for the tests of this directory."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from builder.credentials import Credential, Credentials
from builder.image.reference import Repository
from builder.registry.repository import RemoteRepository
from builder.registry.transport import RegistryOptions, Transport
from builder.retry import Retry


@dataclass(slots=True)
class FakeClock:
    """Time that passes only when somebody sleeps."""

    now: float = 1_800_000_000.0
    slept: list[float] = field(default_factory=list)

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def retry(self) -> Retry:
        return Retry(sleep=self.sleep, jitter=lambda: 0.0)


@dataclass(frozen=True, slots=True)
class Known:
    """Credentials by host."""

    by_host: Mapping[str, Credential]

    def find(self, repository: Repository, *, refused: Credential | None = None) -> Credential | None:
        return self.by_host.get(repository.host)

    @staticmethod
    def basic(name: str, password: str) -> Credential:
        return Credential(username=name, password=password)

    @staticmethod
    def header(name: str, password: str) -> str:
        """What is sent for it where Basic is asked for."""
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def remote(
    host: str,
    path: str,
    *,
    credentials: Sequence[Credentials] = (),
    clock: FakeClock | None = None,
    options: RegistryOptions | None = None,
    forgive_immutable: bool = False,
) -> RemoteRepository:
    """A repository with a transport of its own, that waits on a fake clock."""
    clock = clock or FakeClock()
    transport = Transport(options or RegistryOptions(), credentials=credentials, retry=clock.retry(), clock=clock.time)
    return RemoteRepository(Repository(host=host, path=path), transport=transport, forgive_immutable=forgive_immutable)


def user(host: str, name: str, password: str) -> Sequence[Credentials]:
    return (Known({host: Credential(username=name, password=password)}),)
