"""The patterns of `${name#pattern}`, `%` and `/`: `*`, `?` and escapes, no brackets (BuildKit, frontend/dockerfile/shell/lex.go).

They become regular expressions whose every `*` but the last is atomic, so that none can backtrack for ever.
"""

from __future__ import annotations

import re

from builder.dockerfile.problem import Problem

_ANY, _ONE = object(), object()
_Token = object  # a character, _ANY (`*`) or _ONE (`?`)


def remove_prefix(value: str, pattern: str, *, longest: bool) -> str:
    return _cut(value, _tokens(pattern), longest=longest)


def remove_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """The shortest match that ends at the end is the shortest match of the reversed pattern from the start."""
    return _cut(value[::-1], _tokens(pattern)[::-1], longest=longest)[::-1]


def replace(value: str, pattern: str, replacement: str, *, every: bool) -> str:
    """The leftmost match (or every match), as long as possible each, becomes `replacement`.

    Like Go's regexp and unlike Python's, an empty match right after another match doesn't count.
    """
    result, done, last_end = [], 0, -1
    for match in _expression(_tokens(pattern), longest=True).finditer(value):
        if match.start() == match.end() == last_end:
            continue
        result += [value[done : match.start()], replacement]
        done = last_end = match.end()
        if not every:
            break
    return "".join([*result, value[done:]])


def _cut(value: str, tokens: list[_Token], *, longest: bool) -> str:
    match = _expression(tokens, longest=longest).match(value)
    return value[match.end() :] if match else value


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "\\":
            escaped = pattern[position : position + 1]
            if not escaped or escaped not in "*?\\}/":
                raise Problem(f"invalid pattern {pattern!r}: invalid escape {char + escaped!r}")
            tokens.append(escaped)
            position += 1
        else:
            tokens.append(_ANY if char == "*" else _ONE if char == "?" else char)
    return tokens


def _expression(tokens: list[_Token], *, longest: bool) -> re.Pattern[str]:
    parts = [""]
    for token in tokens:
        if token is _ANY:
            parts.append("")
        else:
            parts[-1] += "." if token is _ONE else re.escape(str(token))
    first, *middle = parts
    last = middle.pop() if middle else None
    ending = "" if last is None else f".*{last}" if longest else f".*?{last}"
    return re.compile(first + "".join(f"(?>.*?{part})" for part in middle) + ending)
