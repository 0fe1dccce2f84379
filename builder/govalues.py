"""Values in the text of flags and options, read as Go's libraries do: what docker takes is taken, and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta

# strconv.ParseBool
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})

# units.RAMInBytes of docker/go-units
_SIZE = r"(?i)([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(?:([kmgtp])i?b?|b)?"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_MOST_DIGITS = 32

# time.ParseDuration; microseconds of each unit
_UNITS = {"ns": 0.001, "us": 1.0, "µs": 1.0, "μs": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7, "h": 3.6e9}
_PART = r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)"
_MOST_MICROSECONDS = (1 << 63) / 1000  # Go counts nanoseconds in 64 bits


def parse_bool(text: str) -> bool:
    """Raises ValueError."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def is_bool(text: str) -> bool:
    """Whether `parse_bool` takes it."""
    return text in _TRUE or text in _FALSE


def parse_size(text: str) -> int:
    """Bytes of `64m`, `1.5 GiB` or `1000`; units are powers of 1024. Raises ValueError."""
    match = re.fullmatch(_SIZE, text) if text.isascii() and len(text) <= _MOST_DIGITS else None
    if match is None:
        raise ValueError(f"{text!r} is no size")
    return int(float(match[1]) * 1024 ** _POWERS[(match[2] or "").lower()])


def parse_unsigned(text: str, *, base: int = 10) -> int:
    """strconv.ParseUint for 32 bits. Raises ValueError."""
    digits = "01234567" if base == 8 else "0123456789"
    if not text or len(text) > _MOST_DIGITS or text.strip(digits) or int(text, base) >= 1 << 32:
        raise ValueError(f"{text!r} is no number of 32 bits in base {base}")
    return int(text, base)


def parse_duration(text: str) -> timedelta:
    """`336h`, `1h30m`, `-1.5s`, or a bare `0`: other numbers need a unit. Raises ValueError."""
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    parts = re.findall(_PART, digits) if len(digits) <= _MOST_DIGITS else []
    if digits != "0" and (not parts or "".join(number + unit for number, unit in parts) != digits):
        raise ValueError(f"{text!r} is no duration")
    microseconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if microseconds >= _MOST_MICROSECONDS:
        raise ValueError(f"{text!r} is too long")
    return timedelta(microseconds=-microseconds if text.startswith("-") else microseconds)


def parse_int(text: str) -> int:
    """strconv.ParseInt for 32 bits, in base ten. Raises ValueError."""
    if not re.fullmatch(r"[-+]?[0-9]{1,10}", text, re.ASCII) or abs(int(text)) >= 1 << 31:
        raise ValueError(f"{text!r} is no whole number of 32 bits")
    return int(text)


def csv_fields(text: str) -> list[str]:
    """The fields of one line of comma-separated values, which may be quoted (encoding/csv). Raises ValueError."""
    if not text:
        raise ValueError("there is nothing")
    fields: list[str] = []
    position = 0
    while True:
        field, position = _quoted(text, position) if text.startswith('"', position) else _bare(text, position)
        fields.append(field)
        if position >= len(text):
            return fields
        position += 1  # the comma


def _bare(text: str, position: int) -> tuple[str, int]:
    end = text.find(",", position)
    end = len(text) if end < 0 else end
    if '"' in text[position:end]:
        raise ValueError('bare " in non-quoted-field')
    return text[position:end], end


def _quoted(text: str, position: int) -> tuple[str, int]:
    """From the opening quote; a doubled quote inside stands for one."""
    match = re.compile(r'"((?:[^"]|"")*)"(?=,|$)', re.DOTALL).match(text, position)
    if match is None:
        raise ValueError('extraneous or missing " in quoted-field')
    return match[1].replace('""', '"'), match.end()
