"""What a contestant can do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from bench.cases import Case
from bench.measure import Measurement


class Contestant(Protocol):
    """A builder on a machine that can be made as new."""

    @property
    def version(self) -> str:
        """For the report: name and version."""

    def machine(self, case: Case) -> AbstractContextManager[None]:
        """Everything that isn't measured: an empty state before the builds of a case, away with it afterwards."""

    def build(self, case: Case, target: str) -> Measurement:
        """Build and push to `target`, inside `machine()`, using what `case.reuse` says; raises BenchError when it fails."""


def cache_of(target: str) -> str:
    """The repository of the cache that belongs to a target: every build of the same repository shares it."""
    return f"{target.rpartition(':')[0]}/cache"
