"""Registry repositories as stores, made when first asked for: a build that meets no registry imports no HTTP client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from builder import __version__
from builder.credentials import Credentials, chosen, from_environment
from builder.errors import UsageError
from builder.image.reference import Repository, registry_host
from builder.options import RegistryFlags
from builder.registry.mirrors import MirroredRepository, Mirrors, Unreachable
from builder.store import Store

if TYPE_CHECKING:
    from builder.registry.repository import RemoteRepository
    from builder.registry.transport import Transport
    from builder.trust import ClientCertificate

Remote = Callable[[Repository], Store]
"""The store of a repository: it is read from its mirrors, if there are any, and written to itself."""


def connect(flags: RegistryFlags, env: Mapping[str, str]) -> Remote:
    """All stores share one transport, so connections and tokens are used again. Raises BuilderError for a wrong option."""
    _authorities(flags), _client_certificates(flags), chosen(flags.credential_helpers)
    mirrors = Mirrors.parse(
        maps=flags.registry_map, mirrors=flags.registry_mirror, fallback=not flags.skip_default_registry_fallback
    )
    lock, unreachable = threading.Lock(), Unreachable()

    @cache
    def transport() -> Transport:
        return transport_of(flags, env)

    def single(repository: Repository) -> RemoteRepository:
        from builder.registry.repository import RemoteRepository

        with lock:
            shared = transport()
        return RemoteRepository(repository, transport=shared, forgive_immutable=flags.push_ignore_immutable_tag_errors)

    def remote(repository: Repository) -> Store:
        places = mirrors.places(repository)
        if places == (repository,):
            return single(repository)
        return MirroredRepository(single(repository), places=[single(place) for place in places], unreachable=unreachable)

    return remote


def transport_of(flags: RegistryFlags, env: Mapping[str, str], *, credentials: Sequence[Credentials] | None = None) -> Transport:
    """The way to registries that the command line and the environment describe, with the `credentials` of the latter or others.

    Raises BuilderError.
    """
    from builder.registry.options import RegistryOptions
    from builder.registry.transport import Transport
    from builder.trust import Trust
    from builder.web import proxies_of

    options = RegistryOptions(
        insecure=flags.insecure,
        insecure_pull=flags.insecure_pull,
        insecure_registries=frozenset(map(registry_host, flags.insecure_registry)),
        skip_tls_verify=flags.skip_tls_verify,
        skip_tls_verify_pull=flags.skip_tls_verify_pull,
        skip_tls_verify_registries=frozenset(map(registry_host, flags.skip_tls_verify_registry)),
        certificates=_authorities(flags),
        client_certificates=_client_certificates(flags),
        trust=Trust.of(env),
        proxies=proxies_of(env),
        user_agent=_user_agent(env),
    )
    if credentials is None:
        credentials = from_environment(env, helpers=flags.credential_helpers)
    return Transport(options, credentials=credentials)


def _user_agent(env: Mapping[str, str]) -> str:
    """With what UPSTREAM_CLIENT_TYPE says, as Kaniko does: registries tell their users' tools apart by it."""
    return ",".join(filter(None, [f"masu/{__version__}", env.get("UPSTREAM_CLIENT_TYPE", "")]))


def _authorities(flags: RegistryFlags) -> dict[str, Path]:
    if not flags.registry_certificate:
        return {}
    from builder.trust import check_authority

    found = {}
    for text in flags.registry_certificate:
        host, (path,) = _host_and_files(text, option="--registry-certificate", form="HOST=/path/to/ca.pem", files=1)
        check_authority(path)
        found[host] = path
    return found


def _client_certificates(flags: RegistryFlags) -> dict[str, ClientCertificate]:
    if not flags.registry_client_cert:
        return {}
    from builder.trust import ClientCertificate, blind_context

    found = {}
    for text in flags.registry_client_cert:
        form = "HOST=/path/to/client.crt,/path/to/client.key"
        host, (certificate, key) = _host_and_files(text, option="--registry-client-cert", form=form, files=2)
        found[host] = ClientCertificate(certificate=certificate, key=key)
        blind_context(found[host])
    return found


def _host_and_files(text: str, *, option: str, form: str, files: int) -> tuple[str, Sequence[Path]]:
    host, _, rest = text.partition("=")
    paths = [Path(path) for path in rest.split(",", files - 1)]
    if not host or len(paths) != files or not all(str(path) != "." for path in paths):
        raise UsageError(f"invalid {option} {text!r}", hint=f"write {form}")
    for path in paths:
        if not path.is_file():
            raise UsageError(f"no such file: {str(path)!r}, in {option} for {host!r}")
    return registry_host(host), paths
