"""--ulimit and --shm-size: limits of every RUN, as docker writes them (docker/go-units, ulimit.go)."""

from __future__ import annotations

import resource
from collections.abc import Iterable

from builder.errors import UsageError
from builder.govalues import parse_size
from builder.provisions import Limit

_NAMES = ("as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
    "sigpending", "stack")  # fmt: skip
# Linux's number (asm-generic/resource.h) of the one that the module lacks; RLIMIT_LOCKS has had no effect since Linux 2.4.
_MISSING = {"rttime": 15}


def parse_limits(texts: Iterable[str]) -> tuple[Limit, ...]:
    """Raises UsageError."""
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Limit:
    """`name=soft[:hard]`."""
    name, equals, values = text.partition("=")
    if not equals:
        raise UsageError(f"invalid --ulimit {text!r}", hint="write NAME=SOFT[:HARD]")
    if name not in _NAMES:
        raise UsageError(f"invalid --ulimit {text!r}: there is no limit {name!r}", hint=f"known are {', '.join(_NAMES)}")
    soft_text, colon, hard_text = values.partition(":")
    soft = _number(soft_text, text)
    hard = _number(hard_text, text) if colon else soft
    if hard != -1 and (soft == -1 or soft > hard):
        raise UsageError(f"invalid --ulimit {text!r}: the soft limit is above the hard one")
    return Limit(
        resource=_MISSING[name] if name in _MISSING else getattr(resource, f"RLIMIT_{name.upper()}"), soft=soft, hard=hard
    )


def _number(value: str, text: str) -> int:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18 or (value != digits and value != "-1"):
        raise UsageError(f"invalid --ulimit {text!r}: {value!r} is no number", hint="write NAME=SOFT[:HARD]; -1 is no limit")
    return int(value)


def parse_shm_size(text: str) -> int:
    """Bytes; raises UsageError."""
    try:
        size = parse_size(text)
    except ValueError as error:
        raise UsageError(f"invalid --shm-size {text!r}", hint="write a number of bytes, or one with k, m or g") from error
    if size <= 0:
        raise UsageError("--shm-size must be more than nothing")
    return size
