"""What the entrypoint knows of a CI platform. Each is a module with these functions, in the table of `platforms.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from builder.decoration import Decoration
from builder.values import dataclass, field
from steps.outcome import Outcome
from steps.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What the core is to be called with: `argv` begins with a command of masu's, `env` is added to the environment.

    `before` is written to the log first (values to mask, say). `files` are made for the time of the build, readable for masu
    alone, with these texts; the `stale` ones are removed first: they tell of an earlier build. `replacing` is written to the log
    if there was one.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    replacing: str = ""


class Adapter(Protocol):
    """Pure functions of the environment: what is to be read or written besides is said by values."""

    def detect(self, env: Mapping[str, str]) -> bool:
        """Whether this is the platform that masu runs on."""

    def arguments(self, words: Sequence[str], env: Mapping[str, str]) -> Invocation:
        """For `masu step NAME WORDS…`: the platform's own inputs come from `env`, `words` are further arguments.

        Raises BuilderError for inputs that can't be honoured.
        """

    def defaults(self, env: Mapping[str, str]) -> Mapping[str, str]:
        """Variables of masu's that count for every build on the platform unless `env` has them."""

    def reports(self, outcome: Outcome, env: Mapping[str, str]) -> tuple[Report, ...]:
        """What the platform is to be told. Without `NAMED` in `env` the build was called as Kaniko's are."""

    def decoration(self, env: Mapping[str, str]) -> Decoration:
        """What goes around parts of the log."""
