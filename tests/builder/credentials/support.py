"""A cloud in a network of its own, with masu in it: real names, real TLS, a real registry behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from tests.support.certificates import make_identity
from tests.support.masu import Masu, write_context
from tests.support.network import Network, environment, open_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """`env` is what masu finds there beside the usual."""

    network: Network
    masu: Masu
    context: Path
    env: Mapping[str, str]

    def __call__(self, *arguments: str, env: Mapping[str, str]) -> CompletedProcess[str]:
        return self.network.run(self.masu.argv(*arguments), env={**self.env, **env})

    def push_and_pull(self, reference: str, *, env: Mapping[str, str]) -> None:
        """Build an image straight into the registry and get it back from there."""
        for arguments in (("build", "-d", reference, str(self.context)), ("pull", reference)):
            done = self(*arguments, env=env)
            assert done.returncode == 0, done.stderr
            assert "warning" not in done.stderr.lower(), done.stderr


@contextmanager
def open_cloud(directory: Path, routes: Mapping[str, str]) -> Iterator[Cloud]:
    """`routes` are https hosts and the plain servers (HOST:PORT) behind them."""
    identity = make_identity(directory, hosts=list(routes))
    with open_network(hosts=routes) as network:
        network.forward_tls("127.0.0.1", 443, identity, to=routes)
        masu = Masu(state=directory / "state")
        context = write_context(directory / "context", "FROM scratch\nCOPY file /\n", {"file": "content"})
        yield Cloud(network=network, masu=masu, context=context, env=environment(masu.environment(), identity))
