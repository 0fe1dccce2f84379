"""Words: splitting, quotes and `$variables`, exactly as BuildKit does it (frontend/dockerfile/shell/lex.go).

Nothing here knows lines or files; what is wrong is raised as Problem.
"""

from __future__ import annotations

from collections.abc import Mapping

from builder.dockerfile import patterns
from builder.dockerfile.gotext import LONE_SURROGATES, SPACES
from builder.dockerfile.problem import Problem
from builder.values import dataclass, field

DEFAULT_ESCAPE = "\\"
_MAX_DEPTH = 64
_CONDITIONS = ("-", "+", "?", ":-", ":+", ":?")
_PLAIN: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Uses:
    """The variables that an expansion met, in order: those that have a value, and those that have none."""

    found: dict[str, None] = field(default_factory=dict)
    unset: dict[str, None] = field(default_factory=dict)


def expand(word: str, env: Mapping[str, str], *, escape: str = DEFAULT_ESCAPE, uses: Uses | None = None) -> str:
    """`word` with variables replaced, quotes and escapes removed; it stays one word (ProcessWord). Adds to `uses`."""
    if not any(char in word for char in ("$", "'", '"', escape)):
        return word
    return _Lexer(source=word, env=env, escape=escape, uses=uses).run()[0]


def expand_words(word: str, env: Mapping[str, str], *, escape: str = DEFAULT_ESCAPE) -> list[str]:
    """Like `expand`, but unquoted whitespace splits, also that which came from a variable (ProcessWords)."""
    return _Lexer(source=word, env=env, escape=escape).run()[1]


def expand_body(body: str, env: Mapping[str, str], *, uses: Uses | None = None) -> str:
    """A heredoc's body: quotes are ordinary characters and the escape character is always a backslash.

    Bytes that aren't UTF-8 become U+FFFD, one each.
    """
    text = LONE_SURROGATES.sub("\ufffd", body)
    return _Lexer(source=text, env=env, escape=DEFAULT_ESCAPE, plain_quotes=True, uses=uses).run()[0]


def raw_words(line: str) -> list[str]:
    """The words of a line with quotes, escapes and variables left as they are, heredoc words whole."""
    return _Lexer(source=line, env=_PLAIN, raw_quotes=True, raw_escapes=True, keep_unset=True).run()[1]


def unquote_words(text: str, *, raw_quotes: bool) -> list[str]:
    """The words of `text`, variables left as they are; with `raw_quotes` also the quotes."""
    return _Lexer(source=text, env=_PLAIN, raw_quotes=raw_quotes, keep_unset=True).run()[1]


class _Words:
    """Collects characters into words; an unquoted space ends one."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._current: list[str] = []

    def add(self, text: str) -> None:
        for char in text:
            if char in SPACES:
                self.end()
            else:
                self._current.append(char)

    def add_raw(self, text: str) -> None:
        self._current.append(text)

    def end(self) -> list[str]:
        word = "".join(self._current)
        if word:
            self._done.append(word)
        self._current = []
        return self._done


@dataclass(slots=True, kw_only=True)
class _Lexer:
    """A cursor over `source`, used once."""

    source: str
    env: Mapping[str, str]
    escape: str = DEFAULT_ESCAPE
    raw_quotes: bool = False
    raw_escapes: bool = False
    plain_quotes: bool = False
    keep_unset: bool = False
    uses: Uses | None = None
    position: int = 0
    depth: int = 0

    def run(self) -> tuple[str, list[str]]:
        return self._scan("", raw_escapes=self.raw_escapes)

    def _peek(self) -> str:
        return self.source[self.position : self.position + 1]

    def _next(self) -> str:
        char = self._peek()
        self.position += 1
        return char

    def _scan(self, stop: str, *, raw_escapes: bool) -> tuple[str, list[str]]:
        """Up to `stop` (which is consumed) or, if that is empty, to the end: as one word and as several."""
        outer, self.raw_escapes = self.raw_escapes, raw_escapes
        whole: list[str] = []
        words = _Words()
        while char := self._peek():
            if char == stop:
                self.position += 1
                self.raw_escapes = outer
                return "".join(whole), words.end()
            text, split = self._one(char)
            whole.append(text)
            if split:
                words.add(text)
            else:
                words.add_raw(text)
        if stop:
            raise Problem(f"missing {stop!r} in substitution")
        self.raw_escapes = outer
        return "".join(whole), words.end()

    def _one(self, char: str) -> tuple[str, bool]:
        """The next piece of the word, and whether spaces in it split words."""
        if char == "$":
            return self._dollar(), True
        if char == "'" and not self.plain_quotes:
            return self._single_quoted(), False
        if char == '"' and not self.plain_quotes:
            return self._double_quoted(), False
        if char == "<":
            return self._angle(), False
        self.position += 1
        if char != self.escape:
            return char, True
        return (char if self.raw_escapes else "") + self._next(), False

    def _single_quoted(self) -> str:
        end = self.source.find("'", self.position + 1)
        if end < 0:
            raise Problem("unterminated single quote")
        text = self.source[self.position + 1 : end]
        self.position = end + 1
        return f"'{text}'" if self.raw_quotes else text

    def _double_quoted(self) -> str:
        self.position += 1
        result: list[str] = []
        while char := self._peek():
            if char == '"':
                self.position += 1
                text = "".join(result)
                return f'"{text}"' if self.raw_quotes else text
            if char == "$":
                result.append(self._dollar())
                continue
            self.position += 1
            if char == self.escape:
                char = self._escaped_in_quotes()
            result.append(char)
        raise Problem("unterminated double quote")

    def _escaped_in_quotes(self) -> str:
        """After an escape character between double quotes: it goes away only before `"`, `$` and itself."""
        following = self._peek()
        kept = self.escape if self.raw_escapes else ""
        if not following:
            return kept
        if following in ('"', "$", self.escape):
            self.position += 1
            return kept + following
        return kept + self.escape

    def _angle(self) -> str:
        """`<<` takes the spaces after it into the word, so that `<< EOF` is one."""
        start = self.position
        self.position += 1
        if self._peek() == "<":
            self.position += 1
            dash = self.position
            if self.source[dash : dash + 1] == "-" and self.source[dash + 1 : dash + 2] in (" ", "\t"):
                self.position += 1
            while self._peek() in (" ", "\t", "\r"):
                self.position += 1
        return self.source[start : self.position]

    def _dollar(self) -> str:
        self.position += 1
        if self._peek() == "{":
            self.depth += 1
            if self.depth > _MAX_DEPTH:
                raise Problem(f"substitutions nested more than {_MAX_DEPTH} deep")
            value = self._braced()
            self.depth -= 1
            return value
        name = self._name()
        if not name:
            return "$"
        return self._plain(name, f"${name}")

    def _plain(self, name: str, written: str) -> str:
        value = self._value(name)
        return written if value is None and self.keep_unset else value or ""

    def _value(self, name: str) -> str | None:
        value = self.env.get(name)
        if self.uses:
            (self.uses.unset if value is None else self.uses.found)[name] = None
        return value

    def _braced(self) -> str:
        self.position += 1
        if not self._peek():
            raise Problem("missing '}' in substitution")
        if self._peek() in "{}:":
            raise Problem("bad substitution")
        name = self._name()
        operator = self._next()
        if operator == "}":
            return self._plain(name, f"${{{name}}}")
        if operator == "/":
            return self._replaced(name)
        if operator == ":":
            operator += self._next()
        if operator in ("#", "%"):
            return self._trimmed(name, operator)
        if operator in ("", ":"):
            raise Problem("missing '}' in substitution")
        if operator in _CONDITIONS or (operator[0] == ":" and operator[1] not in "#%"):
            return self._conditional(name, operator)
        raise _unsupported(operator)

    def _conditional(self, name: str, operator: str) -> str:
        """With `keep_unset` also the shell's other modifiers that begin with a colon: `${name:0:3}` stays as it is."""
        word, _ = self._scan("}", raw_escapes=False)
        value = self._value(name)
        if value is None and self.keep_unset:
            return f"${{{name}{operator}{word}}}"
        if operator not in _CONDITIONS:
            raise _unsupported(operator)
        usable = value is not None and (value != "" or operator[0] != ":")
        if operator[-1] == "+":
            return word if usable else ""
        if usable:
            return value or ""
        if operator[-1] == "-":
            return word
        raise Problem(f"{name}: {word or ('is not allowed to be unset' if value is None else 'is not allowed to be empty')}")

    def _trimmed(self, name: str, operator: str) -> str:
        pattern, _ = self._scan("}", raw_escapes=True)
        value = self._value(name)
        if value is None and self.keep_unset:
            return f"${{{name}{operator}{pattern}}}"
        longest = pattern.startswith(operator)
        remove = patterns.remove_prefix if operator == "#" else patterns.remove_suffix
        return remove(value or "", pattern[1:] if longest else pattern, longest=longest)

    def _replaced(self, name: str) -> str:
        every = self._peek() == "/"
        if every:
            self.position += 1
        pattern, _ = self._scan("/", raw_escapes=True)
        replacement, _ = self._scan("}", raw_escapes=True)
        value = self._value(name)
        if value is None and self.keep_unset:
            return f"${{{name}/{pattern}/{replacement}}}"
        return patterns.replace(value or "", pattern, replacement, every=every)

    def _name(self) -> str:
        """A name, a run of digits, or one special parameter; empty if there is none."""
        start = self.position
        first = self._peek()
        if first and first in "@*#?-$!":
            self.position += 1
        elif first.isdecimal():
            while self._peek().isdecimal():
                self.position += 1
        else:
            while (char := self._peek()) and (char == "_" or char.isalpha() or char.isdecimal()):
                self.position += 1
        return self.source[start : self.position]


def _unsupported(operator: str) -> Problem:
    return Problem(f"unsupported modifier {operator!r} in substitution")
