"""The options of the command line that every RUN feels, as one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from builder.credentials.files import credential_files
from builder.options import BuildOptions
from builder.provisions import Provisions
from builder.provisions.agents import agents
from builder.provisions.hosts import hostname_of, parse_hosts
from builder.provisions.limits import parse_limits, parse_shm_size
from builder.provisions.rights import allows_insecure, parse_network
from builder.provisions.secrets import secret_files


@contextmanager
def provisions_of(
    options: BuildOptions,
    env: Mapping[str, str],
    *,
    build_args: Mapping[str, str],
    secrets: Mapping[str, bytes],
    cache_mounts: Path,
) -> Iterator[Provisions]:
    """Agents for ssh keys run as long as it is entered. Raises UsageError."""
    with agents(options.ssh, env) as sockets:
        yield Provisions(
            secrets=secrets,
            sockets=sockets,
            hosts=parse_hosts(options.add_host),
            hostname=hostname_of(build_args),
            network=parse_network(options.network),
            shm_size=parse_shm_size(options.shm_size),
            limits=parse_limits(options.ulimit),
            insecure=allows_insecure(options.allow),
            cache_mounts=cache_mounts,
            concealed=(*credential_files(env), *secret_files(options.secret, env)),
        )
