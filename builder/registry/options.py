"""How far each registry host is trusted, and how it is reached."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from builder.trust import ClientCertificate, Trust
from builder.values import dataclass, field
from builder.web import proxies_for

_PRIVATE = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """Hosts are spelled as in references, with their port; `certificates` are CA files that are trusted for one host as well,
    `client_certificates` are shown to one host alone.

    `proxies` is keyed as the environment is (`http`, `https`, `no`), see web.py.
    """

    insecure: bool = False
    insecure_pull: bool = False
    insecure_registries: frozenset[str] = frozenset()
    skip_tls_verify: bool = False
    skip_tls_verify_pull: bool = False
    skip_tls_verify_registries: frozenset[str] = frozenset()
    certificates: Mapping[str, Path] = field(default_factory=dict)
    client_certificates: Mapping[str, ClientCertificate] = field(default_factory=dict)
    trust: Trust = field(default_factory=Trust)
    proxies: Mapping[str, str] = field(default_factory=dict)
    user_agent: str = "masu"

    @property
    def distinguish_push(self) -> bool:
        """Whether a host may be reached in one way to push and in another to pull."""
        return (self.insecure, self.skip_tls_verify) != (self.insecure_pull, self.skip_tls_verify_pull)

    def allows_http(self, host: str, *, push: bool) -> bool:
        """Whether plain http may be tried after https, credentials included: by option, or because the host is near."""
        return (self.insecure if push else self.insecure_pull) or host in self.insecure_registries or is_near(host)

    def skips_verify(self, host: str, *, push: bool) -> bool:
        return (self.skip_tls_verify if push else self.skip_tls_verify_pull) or host in self.skip_tls_verify_registries

    def proxies_for(self, url: str) -> dict[str, str]:
        """Scheme → proxy for this URL; empty when it is to be reached directly."""
        return proxies_for(url, self.proxies)


def is_near(host: str) -> bool:
    """Loopback, `*.local` and private addresses (RFC 1918): where docker and go-containerregistry try plain http unasked."""
    name = (urlsplit(f"//{host}").hostname or "").lower()
    if name == "localhost" or name.endswith((".localhost", ".local")):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _PRIVATE if network.version == address.version)
