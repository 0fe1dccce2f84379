"""`--chmod`: an octal mode, or clauses as chmod(1) has them under a umask of 0 (tonistiigi/dchapes-mode, mode.go)."""

from __future__ import annotations

import re

from builder.values import dataclass, field

_OCTAL = re.compile(r"[0-7]{1,11}")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_OTHERS, _ALL, _STICKY = 0o0007, 0o6777, 0o1000
_WHO = {"u": 0o4700, "g": 0o2070, "o": _OTHERS, "a": _ALL}
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": _STICKY}
_SHIFTS = {"u": 6, "g": 3, "o": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What `--chmod` does to a mode: `octal` replaces it, or else `clauses` (who, actions) change it one after another."""

    octal: int | None = None
    clauses: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Change:
        """Raises ValueError for what is neither octal, up to 07777, nor symbolic."""
        if _OCTAL.fullmatch(text) and int(text, 8) <= 0o7777:
            return cls(octal=int(text, 8))
        clauses = [match for match in map(_CLAUSE.fullmatch, text.split(",")) if match]
        if len(clauses) <= text.count(","):
            raise ValueError(f"{text!r} is no mode")
        return cls(clauses=tuple((match[1], match[2]) for match in clauses))

    def apply(self, mode: int, *, directory: bool) -> int:
        """The permission bits, special ones included, of a file that has those of `mode`."""
        mode &= 0o7777
        if self.octal is not None:
            return self.octal
        searchable = directory or bool(mode & 0o111)
        for who, actions in self.clauses:
            for operator, permissions in _ACTION.findall(actions):
                mode = _Action(mode=mode, operator=operator, who=_who(who), searchable=searchable).run(permissions)
        return mode


def _who(letters: str) -> int:
    bits = 0
    for letter in letters:
        bits |= _WHO[letter]
    return bits


@dataclass(slots=True, kw_only=True)
class _Action:
    """One operator and its permissions. `who` 0: nobody is named. `X` depends on the mode that the file has at first."""

    mode: int
    operator: str
    who: int
    searchable: bool
    _bits: int = field(default=0, init=False)
    _cleared: bool = field(default=False, init=False)

    def run(self, permissions: str) -> int:
        execute = 0
        for letter in permissions:
            if letter in _SHIFTS:
                self._flush(execute)
                execute = 0
                self._copy(self.mode >> _SHIFTS[letter] & 0o7)
            elif letter == "X":
                execute = 0o111 if self.searchable else 0
            elif letter not in "st" or not self.who or self.who & ~_OTHERS:
                self._bits |= _BITS[letter]
                # With nobody named, the sticky bit is all that is changed then: BuildKit takes `+xt` for `+t`.
                self.who |= _STICKY if letter == "t" else 0
        if self.operator == "=" and not self._cleared:
            self._clear()
        self._flush(execute)
        return self.mode

    def _clear(self) -> None:
        self.mode &= ~(self.who or _ALL)
        self._cleared = True

    def _flush(self, execute: int) -> None:
        """Do what was collected; `=` begins by taking everything away."""
        if self._bits and self.operator == "=":
            self._clear()
        bits = (self._bits | execute) & (self.who or 0o7777)
        self.mode = self.mode & ~bits if self.operator == "-" else self.mode | bits
        self._bits = 0

    def _copy(self, bits: int) -> None:
        """Give the classes named (or all) these three bits of another; special bits stay."""
        self._cleared = True
        for shift in _SHIFTS.values():
            if not self.who or self.who & 0o4 << shift:
                if self.operator == "=":
                    self.mode &= ~(0o7 << shift)
                changed = bits << shift
                self.mode = self.mode & ~changed if self.operator == "-" else self.mode | changed
