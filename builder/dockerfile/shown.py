"""How places in a Dockerfile are shown: as BuildKit's JSON has them (solver/pb: Location, Range), and tables of text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from builder.ops import Location


def location_json(location: Location) -> dict[str, Any]:
    """A range for each line."""
    lines = range(location.start, location.end + 1) if location.start else ()
    return {"ranges": [{"start": {"line": line}, "end": {"line": line}} for line in lines]} if lines else {}


def data_json(data: bytes) -> str:
    return base64.b64encode(data).decode()


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of columns as wide as need be."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return ["   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]
