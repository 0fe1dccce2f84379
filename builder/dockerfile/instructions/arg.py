"""ARG: build arguments, of one stage or (before the first FROM) of the FROM lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from builder.dockerfile import forms, words
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, blank_name, needs_some
from builder.dockerfile.scope import Applied, Scope
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Arg:
    """`defaults` are as written; None means that the name stands alone. Flags are read over, as BuildKit does."""

    form: ClassVar[forms.Form] = staticmethod(forms.names_or_pairs)
    line: Line
    defaults: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Arg:
        if not arguments.words:
            raise needs_some(line.name)
        defaults: list[tuple[str, str | None]] = []
        for word in arguments.words:
            name, equals, value = word.partition("=")
            if not name:
                raise blank_name(line.name)
            defaults.append((name, value if equals else None))
        return cls(line=line, defaults=tuple(defaults))

    def apply(self, scope: Scope) -> Applied:
        """A name's value: the command line's, else the default, else the global argument's, else none."""
        shown: list[str] = []
        for name, default in self.defaults:
            value = scope.build_args.get(name)
            if value is None and default is not None:
                value = scope.expand(self.line, default)
            elif value is None:
                value = scope.global_args.get(name)
            scope = scope.with_arg(name, value)
            shown.append(name if value is None else f"{name}={value}")
        return Applied(scope=scope, created_by=" ".join(["ARG", *shown]))

    def apply_globally(self, args: Mapping[str, str], build_args: Mapping[str, str]) -> dict[str, str]:
        """The global arguments after this line; `args` are those before it."""
        result = dict(args)
        for name, default in self.defaults:
            try:
                value = words.expand(default, result, escape=self.line.escape) if default is not None else None
            except Problem as problem:
                if name not in build_args:
                    raise self.line.located(problem) from problem
                value = None
            value = build_args.get(name, value)
            if value is not None:
                result[name] = value
        return result
