"""--add-host: lines for the /etc/hosts of every RUN, in the forms that docker takes."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from builder.errors import UsageError

_GATEWAY = "host-gateway"


def parse_hosts(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of name and address, in order. Raises UsageError."""
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> tuple[str, str]:
    """`name=address` or `name:address`; an IPv6 address may be in brackets."""
    name, separator, address = text.partition("=")
    if not separator:
        name, separator, address = text.partition(":")
    if address == _GATEWAY:
        raise UsageError(f"--add-host {text!r}: there is no gateway, because RUN uses this machine's own network",
            hint="give the address itself")  # fmt: skip
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not name or not separator or any(char.isspace() or not char.isprintable() for char in name):
        raise UsageError(f"invalid --add-host {text!r}", hint="write NAME:ADDRESS or NAME=ADDRESS")
    try:
        return name, str(ipaddress.ip_address(bare))
    except ValueError as error:
        raise UsageError(f"--add-host {text!r}: {address!r} is no address", hint="write NAME:ADDRESS") from error
