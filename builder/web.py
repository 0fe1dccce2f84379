"""What every HTTP client here has to know: proxies, Retry-After, and how much of a URL may be shown."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit, urlunsplit

_ODD = re.compile(r"[^\x21-\x7e]|\\")

Secret = Callable[[str], bytes | None]
"""The name of a secret → its content, None if there is none of that name."""


def no_secret(name: str) -> None:
    """The Secret of a build that has none."""


def shown(url: str) -> str:
    """Without user, password, query and fragment, which may be secrets; also of what is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition("?")[0].partition("#")[0].rpartition("@")[2]
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_ambiguous(text: str) -> bool:
    """Whether a URL, or part of one, may not mean the same to all who read it, as with backslashes and white space."""
    return _ODD.search(text) is not None


def innermost(error: BaseException) -> BaseException:
    """The first of the errors that HTTP libraries wrap into each other, in several ways."""
    for _ in range(10):
        inner = [getattr(error, "reason", None), *error.args[-1:], error.__cause__, error.__context__]
        found = next((item for item in inner if isinstance(item, BaseException)), None)
        if found is None:
            break
        error = found
    return error


def told(error: BaseException) -> str:
    """An error's own words."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds from `now` (since the epoch) that a Retry-After header asks for, in either form (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    from email.utils import parsedate_to_datetime  # not needed by a build that pushes nothing

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def proxies_of(env: Mapping[str, str]) -> dict[str, str]:
    """What HTTP_PROXY, HTTPS_PROXY and NO_PROXY, or their lower-case forms, which win, say."""
    names = {"http": "http_proxy", "https": "https_proxy", "no": "no_proxy"}
    found = {key: env.get(name) or env.get(name.upper()) or "" for key, name in names.items()}
    return {key: value if key == "no" or "://" in value else f"http://{value}" for key, value in found.items() if value}


def proxies_for(url: str, proxies: Mapping[str, str]) -> dict[str, str]:
    """Scheme → proxy for this URL, from what `proxies_of` found; empty when it is to be reached directly."""
    parts = urlsplit(url)
    proxy = proxies.get(parts.scheme)
    if not proxy or _is_direct(parts.netloc, proxies.get("no", "")):
        return {}
    return {parts.scheme: proxy}


def _is_direct(netloc: str, no_proxy: str) -> bool:
    """Whether NO_PROXY, a list of hosts, domains, addresses and networks, names this host, or it is this machine itself.

    The latter as in Go (net/http, ProxyFromEnvironment) and so in Kaniko: a registry beside the build needs no NO_PROXY.
    """
    name = (urlsplit(f"//{netloc}").hostname or "").lower()
    if name == "localhost" or _in_network(name, "127.0.0.0/8") or name == "::1":
        return True
    for entry in no_proxy.lower().replace(",", " ").split():
        domain = entry.removeprefix("*").removeprefix(".")
        if (
            entry == "*"
            or domain in (name, netloc.lower())
            or (domain and name.endswith(f".{domain}"))
            or _in_network(name, entry)
        ):
            return True
    return False


def _in_network(name: str, entry: str) -> bool:
    try:
        return "/" in entry and ipaddress.ip_address(name) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
