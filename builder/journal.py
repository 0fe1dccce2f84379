"""What happened in a build, for programs that tell others of it: the `masu.…` keys of --metadata-file are made from it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from builder.errors import BuilderError, RunError, Terminated
from builder.values import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One instruction that changes files: `name` is as in the log (`stage 1/2, step 3/7`), `text` the instruction.

    It was `cached`, or carried out because of the `reasons` (none: nothing is cached) in so many `seconds`; `size` is its layer's
    in bytes, as stored. `line` counts from 1. `platform` is given where several are built.
    """

    name: str
    text: str
    file: str
    line: int
    seconds: float
    cached: bool
    reasons: tuple[str, ...] = ()
    size: int = 0
    platform: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """What a build check found from `line` to `end` of the Dockerfile."""

    file: str
    line: int
    end: int
    rule: str
    message: str
    url: str = ""


_SIGNALS: Mapping[type[BaseException], str] = {Terminated: "terminated by SIGTERM", KeyboardInterrupt: "interrupted by SIGINT"}
_WHO = "masu didn't end by itself: the build was cancelled, or its time was up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no image: `output` is what the command printed last, `line` 0 where no instruction is to blame."""

    message: str
    hint: str = ""
    file: str = ""
    line: int = 0
    output: str = ""

    @classmethod
    def of(cls, error: BaseException, *, under_way: Sequence[str] = ()) -> Failure:
        """Of anything that ends a build; what was `under_way` is told where it came from outside."""
        if type(error) in _SIGNALS:
            where = f" during {', '.join(under_way)}" if under_way else ""
            return cls(message=f"{_SIGNALS[type(error)]}{where}", hint=_WHO)
        if not isinstance(error, BuilderError):
            return cls(message=str(error) or type(error).__name__.lower())
        output = error.output if isinstance(error, RunError) else ""
        message = error.message.removesuffix(RunError.printed(output))
        return cls(message=message, hint=error.hint, file=error.file, line=error.line, output=output)


class Journal:
    """Of one build. `dockerfile` is the path of this machine that its steps' files mean, if it is one."""

    def __init__(self) -> None:
        self.dockerfile = ""
        self._lock = threading.Lock()
        self._done: list[Done] = []
        self._warned: list[Warned] = []
        self._under_way: list[str] = []

    def add(self, entry: Done | Warned) -> None:
        """Stages that are built at the same time may do so."""
        with self._lock:
            if isinstance(entry, Done):
                self._done.append(entry)
            else:
                self._warned.append(entry)

    def begin_anew(self) -> None:
        """Forget the steps: they are all carried out again, or found in the cache."""
        with self._lock:
            self._done.clear()
            self._under_way.clear()

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """What is under way; where an error ends it, it stays so."""
        with self._lock:
            self._under_way.append(what)
        yield
        with self._lock:
            self._under_way.remove(what)

    def failure(self, error: BaseException) -> Failure:
        """What ended the build."""
        with self._lock:
            return Failure.of(error, under_way=tuple(self._under_way))

    def facts(self, failure: Failure | None = None) -> dict[str, Any]:
        """All of it as JSON has it."""
        with self._lock:
            told = {
                "masu.dockerfile": self.dockerfile,
                "masu.steps": [asdict(entry) for entry in self._done],
                "masu.warnings": [asdict(entry) for entry in self._warned],
            }
        return told if failure is None else {**told, "masu.failure": asdict(failure)}
