"""Patterns as in .dockerignore and `--exclude`: moby/patternmatcher, patternmatcher.go.

The last matching pattern decides; what matches a directory matches everything below it; `!` patterns bring things back, also from
below a directory that another matched. A path is judged with what its parent matched already, as BuildKit does on its walk
(MatchesUsingParentResults).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from builder.values import dataclass, field

_MOST_GUESSES = 2
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


class _Token(NamedTuple):
    """Something of a pattern: `regex` for one character, or a number of `stars`.

    `slash`: that character is one; `loose`: it is a class that has it.
    """

    regex: str = ""
    stars: int = 0
    slash: bool = False
    loose: bool = False


def _regex(text: str) -> str:
    """The pattern without choices that could be made again and again: all but the last of several stars take what suffices.

    That is as good as anything more, since the next star takes the rest. Else a pattern with many stars could take for ever.
    """
    tokens = list(_tokens(text))
    _check_choices(tokens)
    doubles = [at for at, token in enumerate(tokens) if token.stars == 2]
    parts = [_simple(tokens[: doubles[0] if doubles else None])]
    for start, end in pairwise([*doubles, len(tokens)]):
        block = tokens[start + 1 : end]
        if start == len(tokens) - 1:
            parts.append(".*")  # at the end they match everything, elsewhere directories
        elif end < len(tokens) and _takes_what_suffices(block):
            parts.append(f"(?>(?:.*?/)??{_simple(block)})")
        else:
            parts.append(f"(?:.*/)?{_simple(block)}")
    return "".join(parts)


def _takes_what_suffices(block: Sequence[_Token]) -> bool:
    """Whether what follows a `**`, up to the next, is best matched as early as possible."""
    return (not block or block[-1].slash) and not any(token.loose for token in block)


def _check_choices(tokens: Sequence[_Token]) -> None:
    """Raises ValueError for several stars whose match is a guess: to try all of them could take for ever."""
    doubles = [at for at, token in enumerate(tokens) if token.stars == 2]
    blocks = [tokens[start + 1 : end] for start, end in pairwise(doubles)]
    guesses = sum(not _takes_what_suffices(block) for block in blocks)
    guesses += sum(one.stars == 1 and other.loose for one, other in pairwise(tokens))
    if guesses > _MOST_GUESSES:
        raise ValueError("too many ** without slashes around them, or * with a class behind them that has a slash in it")


def _simple(tokens: Sequence[_Token]) -> str:
    """Without `**`: each star up to the next one in the same component of the path takes as little as it can."""
    parts = []
    at = 0
    while at < len(tokens):
        if not tokens[at].stars:
            parts.append(tokens[at].regex)
            at += 1
            continue
        stops = (n for n in range(at + 1, len(tokens)) if tokens[n].stars or tokens[n].slash or tokens[n].loose)
        end = next(stops, len(tokens))
        if end < len(tokens) and tokens[end].stars:
            parts.append(f"(?>[^/]*?{''.join(token.regex for token in tokens[at + 1 : end])})")
            at = end
        else:
            parts.append("[^/]*")
            at += 1
    return "".join(parts)


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        char = text[position]
        position += 1
        if char == "*" and text.startswith("*", position):
            position += 1
            position += text.startswith("/", position)
            yield _Token(stars=2)
        elif char == "*":
            yield _Token(stars=1)
        elif char == "?":
            yield _Token("[^/]")
        elif char == "[":
            end = _class_end(text, position)
            content = _class(text[position:end])
            yield _Token(content, loose=re.match(content, "/") is not None)
            position = end + 1
        elif char == "\\":
            yield _Token(re.escape(text[position]), slash=text[position] == "/")
            position += 1
        else:
            yield _Token(re.escape(char), slash=char == "/")


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
