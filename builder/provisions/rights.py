"""--allow and --network: what a RUN may do, and which network it has without asking for one."""

from __future__ import annotations

from collections.abc import Iterable

from builder.errors import UsageError
from builder.ops import Network

_INSECURE = "security.insecure"
# The host's network is what every RUN has here, so there is nothing to allow.
_KNOWN = (_INSECURE, "network.host")


def allows_insecure(texts: Iterable[str]) -> bool:
    """Whether `RUN --security=insecure` is allowed; raises UsageError for an entitlement that masu doesn't know."""
    names = [name for text in texts for name in text.split(",")]
    for name in names:
        if name not in _KNOWN:
            raise UsageError(f"unknown entitlement {name!r} for --allow", hint=f"known are {', '.join(_KNOWN)}")
    return _INSECURE in names


def parse_network(text: str) -> Network:
    """Raises UsageError."""
    try:
        return Network(text or "default")
    except ValueError as error:
        raise UsageError(f"invalid --network {text!r}", hint="it is default, none or host") from error
