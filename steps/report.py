"""What an adapter wants to be written when the build is over, and the one place that writes it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from builder.errors import BuilderError
from builder.values import dataclass

log = logging.getLogger("masu")

LOG = "-"
"""A report's `where` that is the log: standard error, where masu's own lines are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """`text` goes to the file `where`, in its place or at its end (`append`); directories on the way are made if `makes_way`.
    With `only_unused` it goes only to a file that is there and empty: one that the platform has made and nothing else has used.

    One that can't be written is a warning; an error with `hint` if it is `vital`, since the platform would then believe something
    else. `loss` begins either, as `the image is pushed, but can't be told in`.
    """

    where: str
    text: str
    append: bool = False
    makes_way: bool = False
    only_unused: bool = False
    vital: bool = False
    loss: str = "can't write"
    hint: str = ""


def write(reports: Iterable[Report]) -> None:
    """All of them, whatever becomes of the others. Raises BuilderError for the first vital one that can't be written."""
    errors: list[BuilderError] = []
    for report in reports:
        try:
            _write(report)
        except OSError as error:
            message = f"{report.loss} {report.where!r}: {error.strerror}"
            if report.vital:
                errors.append(BuilderError(message, hint=report.hint))
            else:
                log.warning("%s", message)
    if errors:
        raise errors[0]


def _write(report: Report) -> None:
    if report.where == LOG:
        sys.stderr.write(report.text)
        sys.stderr.flush()
        return
    path = Path(report.where)
    if report.only_unused and not (path.is_file() and path.stat().st_size == 0):
        return
    if report.makes_way:
        path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a" if report.append else "w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(report.text)
