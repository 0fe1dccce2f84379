"""What can go wrong in a benchmark, as messages for a person."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark can't go on, or a build failed; the text says why."""


class Unavailable(BenchError):
    """This machine lacks what a contestant needs; it is left out, loudly."""
