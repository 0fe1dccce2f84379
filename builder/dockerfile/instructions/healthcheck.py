"""HEALTHCHECK: how the runtime finds out whether a container works."""

from __future__ import annotations

import re
from typing import ClassVar

from builder.dockerfile import forms, gotext
from builder.dockerfile.flags import Flags, Kind, parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, needs_some
from builder.dockerfile.scope import Applied, Scope
from builder.image.config import Healthcheck
from builder.values import dataclass

_FLAGS = dict.fromkeys(("interval", "timeout", "start-period", "start-interval", "retries"), Kind.ONCE)
_MOST_RETRIES = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    form: ClassVar[forms.Form] = staticmethod(forms.typed_command)
    line: Line
    check: Healthcheck

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> HealthCheck:
        if not arguments.words:
            raise needs_some(line.name)
        kind, *words = arguments.words
        if kind.upper() == "NONE":  # BuildKit doesn't look at its flags
            if words:
                raise Problem("HEALTHCHECK NONE takes no arguments")
            return cls(line=line, check=Healthcheck(test=("NONE",)))
        flags = parse_flags(line.flags, _FLAGS)
        if kind.upper() != "CMD":
            raise Problem(f"HEALTHCHECK has the unknown type {kind!r}", hint="write HEALTHCHECK CMD … or HEALTHCHECK NONE")
        if not words:
            raise Problem("HEALTHCHECK CMD has no command")
        return cls(line=line, check=_check(("CMD" if arguments.json else "CMD-SHELL", *words), flags))

    def apply(self, scope: Scope) -> Applied:
        return Applied(scope=scope.with_config(healthcheck=self.check), created_by=f"HEALTHCHECK {_go_struct(self.check)}")


def _check(test: tuple[str, ...], flags: Flags) -> Healthcheck:
    return Healthcheck(
        test=test,
        interval=_duration(flags, "interval"),
        timeout=_duration(flags, "timeout"),
        start_period=_duration(flags, "start-period"),
        start_interval=_duration(flags, "start-interval"),
        retries=_retries(flags.text("retries")),
    )


def _duration(flags: Flags, name: str) -> int:
    text = flags.text(name)
    if not text:
        return 0
    try:
        value = gotext.parse_duration(text)
    except ValueError as error:
        raise Problem(f"--{name}: {error}", hint="write it like 30s, 1m30s or 500ms") from error
    if value and value < gotext.MILLISECOND:
        raise Problem(f"--{name}={text} is less than a millisecond")
    return value


def _retries(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[-+]?[0-9]{1,20}", text) or abs(int(text)) > _MOST_RETRIES:
        raise Problem(f"--retries={text} is not a number")
    if int(text) < 0:
        raise Problem(f"--retries={text} is negative")
    return int(text)


def _go_struct(check: Healthcheck) -> str:
    """As Go's `%+v`."""
    durations = {
        "Interval": check.interval,
        "Timeout": check.timeout,
        "StartPeriod": check.start_period,
        "StartInterval": check.start_interval,
    }
    fields = " ".join(f"{name}:{gotext.duration(value)}" for name, value in durations.items())
    return f"{{Test:{gotext.plain_list(check.test)} {fields} Retries:{check.retries}}}"
