"""When each step of a stage was done, as the image tells it.

With a layer cache a layer has the time when it was really made, whoever uses it later. So an image that comes from the cache is
the one that filled it: it has the same digest, and nothing is pushed or deployed anew.
"""

from __future__ import annotations

from collections.abc import Iterable

from builder.image.config import Config, History
from builder.values import dataclass

_COMMENT = "buildkit.dockerfile.v0"  # what docker's tools look for in a history entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A step that the history tells. `at` is RFC 3339 text; None for a step without a layer, if times come from layers alone."""

    created_by: str
    has_layer: bool
    at: str | None


def continued(base: Config, steps: Iterable[Past], *, now: str) -> tuple[tuple[History, ...], str]:
    """The whole history of a stage on `base`, and when the last of it was.

    A step without a time has that of the one before it, the first ones that of the base; if it has none, of the first that has.
    """
    steps = list(steps)
    last = base.created or next((step.at for step in steps if step.at), now)
    entries = []
    for step in steps:
        last = step.at or last
        entry = History(created=last, created_by=step.created_by, comment=_COMMENT, empty_layer=not step.has_layer)
        entries.append(entry)
    return (*base.history, *entries), last
