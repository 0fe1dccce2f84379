"""Tables for people, and sizes as docker shows them."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines in which each column is as wide as its widest cell; what would move the cursor is shown as `?`."""
    cells = [tuple(head), *(tuple(_printable(cell) for cell in row) for row in rows)]
    widths = [max(len(row[number]) for row in cells) for number in range(len(head))]
    return "".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n" for row in cells
    )


def human_size(size: int) -> str:
    """`0B`, `1.23kB`, `45.6MB`: units of a thousand, three digits (docker/go-units, HumanSize)."""
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.3g}{_UNITS[unit]}"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
