"""Go's way of writing values, which history strings copy: `%q`, `%v` and time.Duration."""

from __future__ import annotations

import re
from collections.abc import Iterable

SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What Go's unicode.IsSpace accepts; Python's str.isspace accepts more."""

LONE_SURROGATES = re.compile("[\ud800-\udfff]")
"""What Go writes as U+FFFD: halves of surrogate pairs, and here each byte that isn't UTF-8."""

MILLISECOND = 1_000_000

_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\", '"': '\\"'}
_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "μs": 1000, "ms": MILLISECOND, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"([0-9]{0,40})(?:\.([0-9]{0,40}))?(ns|us|µs|μs|ms|s|m|h)")
_LARGEST = (1 << 63) - 1


def quote(text: str) -> str:
    """As `%q` (strconv.Quote)."""
    return '"' + "".join(map(_quoted, text)) + '"'


def quote_list(items: Iterable[str]) -> str:
    """A `[]string` as `%q`."""
    return "[" + " ".join(map(quote, items)) + "]"


def plain_list(items: Iterable[str]) -> str:
    """A `[]string` as `%v`."""
    return "[" + " ".join(items) + "]"


def _quoted(char: str) -> str:
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that isn't UTF-8, by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable():
        return char
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration such as `1m30s` or `1.5h`; ValueError on anything else (time.ParseDuration)."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    total, position = 0, 0
    while position < len(rest):
        part = _PART.match(rest, position)
        if not part or not (part[1] or part[2]):
            raise ValueError(f"invalid duration {text!r}")
        digits = part[1] + (part[2] or "")
        total += int(digits) * _UNITS[part[3]] // 10 ** len(part[2] or "")
        position = part.end()
    if not rest or total > _LARGEST:
        raise ValueError(f"invalid duration {text!r}")
    return sign * total


def duration(nanoseconds: int) -> str:
    """As time.Duration.String writes it, for values that aren't negative: `0s`, `1.5ms`, `1h0m5s`."""
    if nanoseconds < 10**9:
        unit, name = next(((_UNITS[name], name) for name in ("ms", "µs", "ns") if nanoseconds >= _UNITS[name]), (10**9, "s"))
        return _decimal(nanoseconds, unit) + name
    minutes, rest = divmod(nanoseconds, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    before = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return before + _decimal(rest, _UNITS["s"]) + "s"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)
