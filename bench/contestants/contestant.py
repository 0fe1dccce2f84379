"""What a contestant can do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from bench.cases import Case
from bench.measure import Measurement


class Contestant(Protocol):
    """A builder that always starts cold."""

    @property
    def version(self) -> str:
        """For the report: name and version."""

    def cold(self) -> AbstractContextManager[None]:
        """Everything that isn't measured: an empty state before the build, away with it afterwards."""

    def build(self, case: Case, target: str) -> Measurement:
        """Build and push to `target`, inside `cold()`; raises BenchError when it fails."""
