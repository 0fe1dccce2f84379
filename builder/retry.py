"""The one policy of trying again: exponential backoff with jitter, the server's own Retry-After when it gives one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from copy import copy
from typing import TypeVar

from builder.errors import BuilderError, CacheError
from builder.values import dataclass

log = logging.getLogger(__name__)

T = TypeVar("T")

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


class Transient(Exception):
    """A failure that may pass; `error` is what to raise when it doesn't, `retry_after` the seconds the server asked for."""

    def __init__(self, error: BuilderError, *, retry_after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after = retry_after


def _by_chance() -> float:
    import random  # most builds need not wait

    return random.random()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Times are seconds: the n-th wait is `first` · 2^(n-1), at most `longest`, scattered downwards by up to a half."""

    tries: int = 5
    first: float = 1.0
    longest: float = 30.0
    longest_asked: float = 90.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = _by_chance

    def run(self, action: Callable[[], T]) -> T:
        """The action's result; it may be called `tries` times. Raises what its last Transient holds."""
        for attempt in range(1, self.tries):
            try:
                return action()
            except Transient as failure:
                self.pause(attempt, failure)
        try:
            return action()
        except Transient as failure:
            raise self.exhausted(failure) from failure

    def pause(self, attempt: int, failure: Transient) -> None:
        """Wait after the failure of try number `attempt`, counted from 1."""
        seconds = min(self.first * 2 ** (attempt - 1), self.longest) * (1 - self.jitter() / 2)
        if failure.retry_after is not None:
            seconds = min(failure.retry_after, self.longest_asked)
        log.debug("%s; trying again in %.1f s", failure.error.message, seconds)
        self.sleep(seconds)

    def exhausted(self, failure: Transient) -> BuilderError:
        error = copy(failure.error)
        error.message += f" (tried {self.tries} times)" if self.tries > 1 else ""
        error.args = (error.message,)
        return error


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Whole tries on top of what the policy does with one request: `extra` of them, 1, 2, 4… seconds apart, as in Kaniko."""

    extra: int = 0
    sleep: Callable[[float], None] = time.sleep

    def run(self, action: Callable[[], T], *, what: str) -> T:
        """The action's result; each failure but the last is logged. Raises its last BuilderError, and CacheError at once."""
        for attempt in range(self.extra):
            try:
                return action()
            except CacheError:
                raise
            except BuilderError as error:
                log.warning("%s failed: %s; trying again in %d s", what, error.message, 2**attempt)
                self.sleep(2**attempt)
        return action()
