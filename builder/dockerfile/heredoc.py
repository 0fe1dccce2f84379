"""Heredocs: `<<NAME` words and their bodies (moby/buildkit frontend/dockerfile/parser/parser.go)."""

from __future__ import annotations

import posixpath
import re

from builder.dockerfile.problem import Problem
from builder.dockerfile.words import raw_words, unquote_words
from builder.values import dataclass

_WORD = re.compile(r"(\d*)<<(-?)\s*([^<]*)", re.ASCII)
_LONGEST_NAME = 255
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heredoc:
    """`content` is the body as it stands in the file; `expand` is false when a part of the name was quoted."""

    name: str
    content: str = ""
    expand: bool = True
    chomp: bool = False
    descriptor: int = 0

    @property
    def body(self) -> str:
        """The content, without leading tabs if `<<-` asked for that."""
        return _LEADING_TABS.sub("", self.content) if self.chomp else self.content


def heredocs_in(line: str) -> tuple[Heredoc, ...]:
    """The heredocs that a joined line announces, in order and still empty; a line that can't be lexed announces none."""
    try:
        words = raw_words(line)
    except Problem:
        return ()
    return tuple(heredoc for heredoc in map(heredoc_word, words) if heredoc)


def heredoc_word(word: str) -> Heredoc | None:
    """`<<EOF`, `3<<-'EOF'`…; raises Problem when its quotes don't match."""
    match = _WORD.fullmatch(word)
    if not match or not match[3]:
        return None
    names = unquote_words(match[3], raw_quotes=False)
    if len(names) != 1:
        return None
    quoted = "".join(unquote_words(match[3], raw_quotes=True))
    return Heredoc(
        name=names[0],
        expand=_quotes(quoted) == _quotes(names[0]),
        chomp=match[2] == "-",
        descriptor=int(match[1][:9] or 0),
    )


def file_name(heredoc: Heredoc) -> str:
    """The name of the file that a heredoc makes in an empty directory; raises Problem where it can't."""
    name = posixpath.normpath(f"/{heredoc.name}").lstrip("/")
    if not name or "/" in name or len(name.encode("utf-8", "surrogateescape")) > _LONGEST_NAME:
        hint = f"a file's name has no slash and at most {_LONGEST_NAME} bytes"
        raise Problem(f"the heredoc {heredoc.name[:100]!r} can't be a file of that name", hint=hint)
    return name


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
