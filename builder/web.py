"""What every HTTP client here has to know: proxies, Retry-After, and how much of a URL may be shown."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit, urlunsplit

from builder.errors import BuilderError

_PORTS = {"http": "80", "https": "443"}
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:]*)(?::(?P<port>[0-9]+))?")
_ODD = re.compile(r"[^\x21-\x7e]|\\")

UNESCAPED = "a port is a number; in a password write / as %2F, # as %23, ? as %3F, @ as %40"
"""What to do about a URL that means nothing."""

Secret = Callable[[str], bytes | None]
"""The name of a secret → its content, None if there is none of that name."""


def no_secret(name: str) -> None:
    """The Secret of a build that has none."""


def shown(url: str) -> str:
    """Without user, password, query and fragment, which may be secrets; also of what is no URL, as with `#` in a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        place = url.partition("?")[0].partition("#")[0]
        scheme, mark, rest = place.rpartition("://")
        return scheme + mark + ("***" if "@" in url[len(place) :] else rest.rpartition("@")[2])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def is_ambiguous(text: str) -> bool:
    """Whether a URL, or part of one, may not mean the same to all who read it, as with backslashes and white space."""
    return _ODD.search(text) is not None


def innermost(error: BaseException) -> BaseException:
    """The first of the errors that libraries wrap into each other, in several ways (`inner_exception` is azure-core's).

    Those of botocore wrap nothing, and name the endpoint.
    """
    for _ in range(10):
        named = [getattr(error, name, None) for name in ("reason", "inner_exception")]
        inner = [*named, *error.args[-1:], error.__cause__]
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
    """Scheme → proxy for this URL, from what `proxies_of` found; empty when it is to be reached directly.

    Raises BuilderError for a proxy that is no URL.
    """
    parts = urlsplit(url)
    proxy = proxies.get(parts.scheme)
    if not proxy:
        return {}
    name, port = _split_port(parts.netloc.rpartition("@")[2].lower())
    if _is_direct(name, port or _PORTS.get(parts.scheme, ""), proxies.get("no", "")):
        return {}
    check_proxy(proxy)
    return {parts.scheme: proxy}


def check_proxy(proxy: str) -> None:
    """Raises BuilderError for what is no URL."""
    try:
        parts = urlsplit(proxy)
        is_url = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        hint = f"HTTP_PROXY and HTTPS_PROXY are http://USER:PASSWORD@HOST:PORT; {UNESCAPED}"
        raise BuilderError(f"the proxy {shown(proxy)!r} is no URL", hint=hint)


def _is_direct(name: str, port: str, no_proxy: str) -> bool:
    """Whether NO_PROXY, a list of hosts, domains, addresses and networks, names this host, or it is this machine itself.

    The latter as in Go (net/http, ProxyFromEnvironment) and so in Kaniko: a registry beside the build needs no NO_PROXY.
    """
    if name == "localhost" or _is_within(name, "127.0.0.0/8") or _is_within(name, "::1"):
        return True
    return any(_means(entry, name, port) for entry in no_proxy.lower().replace(",", " ").split())


def _means(entry: str, name: str, port: str) -> bool:
    """Whether one of NO_PROXY's entries is for a host; with a port it is for that alone (x/net/http/httpproxy)."""
    host, wanted = _split_port(entry)
    domain = host.removeprefix("*").removeprefix(".")
    is_named = domain == name or name.endswith(f".{domain}") or _is_within(name, host)
    return entry == "*" or (bool(domain) and wanted in ("", port) and is_named)


def _split_port(text: str) -> tuple[str, str]:
    """The name, an IPv6 address without its brackets, and the port, empty if there is none."""
    found = _HOST_AND_PORT.fullmatch(text)
    host, port = (found["host"], found["port"] or "") if found else (text, "")
    return host.removeprefix("[").removesuffix("]"), port


def _is_within(name: str, network: str) -> bool:
    """Whether a name is an address of this network, or is the one address."""
    try:
        return ipaddress.ip_address(name) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
