"""What the check directive says: which rules run, and whether they stop the build (BuildKit, linter/linter.go)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder.dockerfile.lint.rule import Rule
from builder.dockerfile.problem import Problem
from builder.govalues import is_bool, parse_bool
from builder.values import dataclass

_DIRECTIVE = re.compile(r"check\s*=\s*(.+?)\s*", re.ASCII | re.IGNORECASE)
_ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`skip` and `experimental` are names of rules, or `all`; `error` makes what is found an error."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    @classmethod
    def parse(cls, text: str) -> Choice:
        """From `skip=A,B;experimental=all;error=true`; raises Problem. As everywhere in directives, a blank ends the value."""
        text = text.split(" ")[0].strip()
        skip: frozenset[str] = frozenset()
        experimental: frozenset[str] = frozenset()
        error = False
        for part in text.split(";") if text else ():
            key, equals, value = part.partition("=")
            if key == "skip" and equals:
                skip = _names(value)
            elif key == "experimental" and equals:
                experimental = _names(value)
            elif key == "error" and is_bool(value):
                error = parse_bool(value)
            else:
                hint = "write skip=RULE,RULE or skip=all, experimental=RULE, error=true, with ';' between them"
                raise Problem(f"invalid check option {part!r}", hint=hint)
        return cls(skip=skip, experimental=experimental, error=error)

    @classmethod
    def above(cls, comments: Iterable[str]) -> Choice:
        """That of the first comment of an instruction which is a check directive; one that isn't well formed says nothing."""
        for match in filter(None, map(_DIRECTIVE.fullmatch, comments)):
            try:
                return cls.parse(match[1])
            except Problem:
                break
        return cls()

    def allows(self, rule: Rule, *more: Choice) -> bool:
        """Whether the rule runs, by this choice and by those of its instructions."""
        names = {rule.name, _ALL}
        if rule.experimental:
            return any(choice.experimental & names for choice in (self, *more))
        return not any(choice.skip & names for choice in (self, *more))


def _names(text: str) -> frozenset[str]:
    names = frozenset(name.strip() for name in text.split(","))
    return names if names == {_ALL} else names - {_ALL}
