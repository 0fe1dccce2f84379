"""What machines are called in every RUN: --add-host, in the forms that docker takes, and BuildKit's argument for its own."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Mapping

from builder.errors import UsageError

_GATEWAY = "host-gateway"
_HOSTNAME_ARG = "BUILDKIT_SANDBOX_HOSTNAME"
_LONGEST_HOSTNAME = 64  # bytes, sethostname(2)


def parse_hosts(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of name and address, in order. Raises UsageError."""
    return tuple(_parse(text) for text in texts)


def hostname_of(build_args: Mapping[str, str]) -> str:
    """What --build-arg says that the machine is called; empty if nothing. Raises UsageError."""
    found = build_args.get(_HOSTNAME_ARG, "")
    if len(os.fsencode(found)) > _LONGEST_HOSTNAME or any(not char.isprintable() for char in found):
        hint = f"a machine's name has at most {_LONGEST_HOSTNAME} characters"
        raise UsageError(f"invalid --build-arg {_HOSTNAME_ARG}={found!r}", hint=hint)
    return found


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
