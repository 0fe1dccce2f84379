"""Registry repositories as stores, made when first asked for: a build that meets no registry imports no HTTP client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from builder import __version__
from builder.errors import UsageError
from builder.image.reference import Repository
from builder.options import RegistryFlags
from builder.store import Store

if TYPE_CHECKING:
    from builder.registry.transport import Transport

Remote = Callable[[Repository], Store]


def connect(flags: RegistryFlags, env: Mapping[str, str]) -> Remote:
    """A function that gives the store of a repository; all share one transport, so connections and tokens are used again."""
    _certificates(flags)
    lock = threading.Lock()

    @cache
    def transport() -> Transport:
        return transport_of(flags, env)

    def remote(repository: Repository) -> Store:
        from builder.registry.repository import RemoteRepository

        with lock:
            return RemoteRepository(repository, transport=transport())

    return remote


def transport_of(flags: RegistryFlags, env: Mapping[str, str]) -> Transport:
    """The way to registries that the command line and the environment describe. Raises UsageError."""
    from builder.credentials.docker_config import DockerConfig
    from builder.registry.options import RegistryOptions
    from builder.registry.transport import Transport
    from builder.trust import Trust
    from builder.web import proxies_of

    options = RegistryOptions(
        insecure=flags.insecure,
        insecure_pull=flags.insecure_pull,
        insecure_registries=frozenset(flags.insecure_registry),
        skip_tls_verify=flags.skip_tls_verify,
        skip_tls_verify_pull=flags.skip_tls_verify_pull,
        skip_tls_verify_registries=frozenset(flags.skip_tls_verify_registry),
        certificates=_certificates(flags),
        trust=Trust.of(env),
        proxies=proxies_of(env),
        user_agent=f"masu/{__version__}",
    )
    return Transport(options, credentials=(DockerConfig(env),))


def _certificates(flags: RegistryFlags) -> dict[str, Path]:
    return dict(_certificate(text) for text in flags.registry_certificate)


def _certificate(text: str) -> tuple[str, Path]:
    host, equals, path = text.partition("=")
    if not equals or not host or not path:
        raise UsageError(f"invalid --registry-certificate {text!r}", hint="write HOST=/path/to/ca.pem")
    if not Path(path).is_file():
        raise UsageError(f"no such file: {path!r}, the certificate for {host!r}")
    return host, Path(path)
