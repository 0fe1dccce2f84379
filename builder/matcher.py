"""Patterns as in .dockerignore and `--exclude`: moby/patternmatcher, patternmatcher.go.

The last matching pattern decides; what matches a directory matches everything below it; `!` patterns bring things back, also from
below a directory that another matched. A path is judged with what its parent matched already, as BuildKit does on its walk
(MatchesUsingParentResults).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

_SPECIAL = re.compile(r"[*?\[\\]")

Verdict = tuple[bool, tuple[bool, ...]]
"""Whether a path is matched, and which patterns it or a parent matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """`text` is cleaned, without `!`; `matches` gets a relative path."""

    text: str
    negated: bool
    matches: Callable[[str], object]

    @classmethod
    def parse(cls, text: str) -> Pattern | None:
        """None for blanks; raises ValueError for what is malformed."""
        text = text.strip()
        if not text:
            return None
        text = clean(text)
        negated = text.startswith("!")
        if negated:
            text = text[1:]
        if not text:
            raise ValueError("'!' without a pattern")
        _check(text)
        try:
            return cls(text=text, negated=negated, matches=_compiled(text))
        except re.error as error:
            raise ValueError(str(error)) from error

    def may_match_below(self, directory: str) -> bool:
        """Whether some path below `directory` (empty: the root) could match; in doubt it could."""
        if not directory:
            return True
        for mine, theirs in zip(self.text.split("/"), directory.split("/"), strict=False):
            if "**" in mine:
                return True
            if not _compiled(mine)(theirs):
                return False
        return len(self.text.split("/")) > directory.count("/") + 1 or "**" in self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """Verdicts about directories are remembered: their children need them."""

    patterns: tuple[Pattern, ...] = ()
    _verdicts: dict[str, Verdict] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Matcher:
        """Raises ValueError for a malformed pattern."""
        return cls(patterns=tuple(pattern for pattern in map(Pattern.parse, texts) if pattern))

    def matches(self, path: str) -> bool:
        """Whether `path` (relative, clean; never the empty one) is matched in the end."""
        if not self.patterns or not path:
            return False
        return self._verdict(path, self._matched_by(posixpath.dirname(path)))[0]

    def may_match_below(self, directory: str) -> bool:
        """Whether a pattern without `!` could match something below a directory that isn't matched itself."""
        return any(not pattern.negated and pattern.may_match_below(directory) for pattern in self.patterns)

    def may_spare_below(self, directory: str) -> bool:
        """Whether a `!` pattern could bring back something below a matched directory."""
        return any(pattern.negated and pattern.may_match_below(directory) for pattern in self.patterns)

    def _matched_by(self, directory: str) -> tuple[bool, ...]:
        """Which patterns a directory or one above it has matched."""
        if not directory:
            return (False,) * len(self.patterns)
        if directory not in self._verdicts:
            self._verdicts[directory] = self._verdict(directory, self._matched_by(posixpath.dirname(directory)))
        return self._verdicts[directory][1]

    def _verdict(self, path: str, parent_matched: tuple[bool, ...]) -> Verdict:
        matched = False
        hits = []
        for pattern, inherited in zip(self.patterns, parent_matched, strict=True):
            # A pattern that couldn't change the verdict isn't even tried, and then counts as not matched for the children.
            hit = inherited or (pattern.negated == matched and bool(pattern.matches(path)))
            hits.append(hit)
            if hit:
                matched = not pattern.negated
        return matched, tuple(hits)


def clean(path: str) -> str:
    """Go's filepath.Clean: as normpath, which alone keeps a double slash at the beginning."""
    result = posixpath.normpath(path)
    return "/" + result.lstrip("/") if result.startswith("//") else result


def _check(text: str) -> None:
    """What Go's filepath.Match calls a bad pattern; raises ValueError."""
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "\\":
            position = _after_char(text, position - 1)
        elif char == "[":
            position = _after_class(text, position)


def _after_class(text: str, position: int) -> int:
    """Where a class ends whose content begins at `position`; it has at least one character or range."""
    first = position = position + text.startswith("^", position)
    while position == first or not text.startswith("]", position):
        if text[position : position + 1] in ("-", "]"):
            raise ValueError("a malformed character class")
        position = _after_char(text, position)
        if text.startswith("-", position):
            if text.startswith(("-", "]"), position + 1):
                raise ValueError("a malformed character class")
            position = _after_char(text, position + 1)
    return position + 1


def _after_char(text: str, position: int) -> int:
    position += text.startswith("\\", position)
    if position >= len(text):
        raise ValueError("it ends within a character class or after a backslash")
    return position + 1


def _compiled(text: str) -> Callable[[str], object]:
    """A function that says whether a path matches the whole pattern."""
    if not _SPECIAL.search(text):
        return text.__eq__
    if text.startswith("**") and not _SPECIAL.search(text[2:]) and len(text) > 2:
        # patternmatcher takes `**` in front of plain text for a suffix: `**foo` matches `a/bfoo`.
        suffix = text[2:]
        return lambda path: path.endswith(suffix) or (suffix.startswith("/") and path == suffix[1:])
    return re.compile(_regex(text), re.DOTALL).fullmatch


def _regex(text: str) -> str:
    parts = []
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "*" and text.startswith("*", position):
            position += 1
            position += text.startswith("/", position)
            parts.append("(?:.*/)?" if position < len(text) else ".*")
        elif char == "*":
            parts.append("[^/]*")
        elif char == "?":
            parts.append("[^/]")
        elif char == "[":
            end = _class_end(text, position)
            parts.append(_class(text[position:end]))
            position = end + 1
        elif char == "\\":
            parts.append(re.escape(text[position]))
            position += 1
        else:
            parts.append(re.escape(char))
    return "".join(parts)


def _class(content: str) -> str:
    """A character class with everything escaped but `^` at its beginning and ranges."""
    negated = content.startswith("^")
    escaped = re.sub(r"\\?(.)", lambda match: "-" if match[0] == "-" else re.escape(match[1]), content[negated:], flags=re.DOTALL)
    return f"[{'^' if negated else ''}{escaped}]"


def _class_end(text: str, position: int) -> int:
    """Where the `]` is that ends a class whose content begins at `position`."""
    position += text.startswith("^", position)
    while text[position] != "]":
        position += 2 if text[position] == "\\" else 1
    return position
