"""STOPSIGNAL: how the runtime asks the image's program to end."""

from __future__ import annotations

from typing import ClassVar

from builder.dockerfile import forms
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, needs_one, suggest
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass

# moby/sys/signal, signal_linux.go: the names of Linux, whatever machine this runs on.
_NAMES = frozenset(
    {
        *("ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF"),
        *("PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2"),
        *("VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"),
        *(f"RTMIN+{number}" for number in range(1, 16)),
        *(f"RTMAX-{number}" for number in range(1, 15)),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSignal:
    """Flags are read over, as BuildKit does."""

    form: ClassVar[forms.Form] = staticmethod(forms.string)
    line: Line
    signal: str

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> StopSignal:
        if not arguments.words:
            raise needs_one(line.name)
        return cls(line=line, signal=arguments.words[0])

    def apply(self, scope: Scope) -> Applied:
        signal = scope.expand(self.line, self.signal)
        if not _is_signal(signal):
            hint = suggest(signal.upper().removeprefix("SIG"), _NAMES)
            raise Problem(f"invalid signal {signal!r}", hint=hint or "write a name such as SIGTERM or a number")
        return Applied(scope=scope.with_config(stop_signal=signal), created_by=f"STOPSIGNAL {signal}")


def _is_signal(text: str) -> bool:
    if text.isascii() and text.isdigit():  # whether the number exists is the runtime's affair (moby/sys/signal.ParseSignal)
        return len(text) < 9 and int(text) > 0
    return text.upper().removeprefix("SIG") in _NAMES
