"""The words of shell text with their places, as far as it takes to find a command's flags; nothing is expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.values import dataclass

# A word is made of quoted pieces, expansions, escapes and plain characters.
_PIECE = (
    r"""'[^']*'|"(?:\\.|[^"\\])*"|\$\{\{.*?\}\}|\$\{[^}]*\}|\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`|\\[^\n]|[^\s'"\\;|&<>()`$]|\$"""
)
_TOKEN = re.compile(
    rf"(?P<blank>(?:[ \t]|\\\n)+)|(?P<comment>(?<![^\s])#[^\n]*)|(?P<redirect>\d*(?:>>|>&|>|<<<|<)(?:[ \t]*(?:{_PIECE})+)?)"
    rf"|(?P<end>[\n;|&()]+)|(?P<word>(?:{_PIECE})+)|(?P<other>.)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """`text` as it is written, quotes and all, from `start` up to `end`."""

    start: int
    end: int
    text: str


def commands(text: str) -> Iterator[tuple[Word, ...]]:
    """The words of each simple command; comments and redirections are no words."""
    words: list[Word] = []
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "word":
            words.append(Word(start=token.start(), end=token.end(), text=token[0]))
        elif token.lastgroup in ("end", "comment") and words:
            yield tuple(words)
            words = []
    if words:
        yield tuple(words)


def lines(text: str) -> tuple[Word, ...]:
    """All words of a text that is a list of flags and no script: a new line ends nothing."""
    return tuple(word for command in commands(text.replace("\n", " ")) for word in command)
