"""Dockerfile bytes to logical lines: directives, continuations, comments, heredocs.

The rules are those of moby/buildkit, frontend/dockerfile/parser/parser.go.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

from dockerfile_parse import DockerfileParser

from builder.dockerfile.flags import split_flags
from builder.dockerfile.forms import WHITESPACE, is_json_array
from builder.dockerfile.gotext import SPACES
from builder.dockerfile.heredoc import Heredoc, heredocs_in
from builder.dockerfile.problem import Problem
from builder.dockerfile.words import DEFAULT_ESCAPE
from builder.errors import DockerfileError
from builder.ops import Location
from builder.values import dataclass, replace

_BOM = b"\xef\xbb\xbf"
_LONGEST_LINE = 65535
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """The parser directives at the top; empty when absent."""

    syntax: str = ""
    escape: str = DEFAULT_ESCAPE
    check: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One instruction as text: continuations joined, comments gone, keyword and flags split off.

    `keyword` is lower case, `written` as in the file; `rest` is what follows the flags; `text` is the whole joined line;
    `source` is the first physical line, for error messages; `comments` are those right above, without a blank line between.
    `blank_before` is the number of the last line if blank lines stand among the continued ones, else 0.
    """

    keyword: str
    written: str
    flags: tuple[str, ...]
    rest: str
    text: str
    heredocs: tuple[Heredoc, ...] = ()
    location: Location
    source: str
    escape: str = DEFAULT_ESCAPE
    comments: tuple[str, ...] = ()
    blank_before: int = 0

    @property
    def name(self) -> str:
        """The keyword as error messages and history write it."""
        return self.keyword.upper()

    def error(self, message: str, *, hint: str = "") -> DockerfileError:
        """What is wrong with this line, with its place."""
        return DockerfileError(message, file=self.location.file, line=self.location.start, source=self.source, hint=hint)

    def located(self, problem: Problem) -> DockerfileError:
        return self.error(problem.message, hint=problem.hint)

    def nested(self) -> Line:
        """The instruction behind ONBUILD."""
        return replace(self, **_split(self.rest, self.escape))

    def description_of(self, name: str) -> str:
        """What a comment `# name …` right above says, empty without one (instructions/parse.go getComment)."""
        texts = (text.removeprefix(f"{name} ") for text in self.comments if text.startswith(f"{name} "))
        return next(texts, "") if name else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A comment line that isn't a directive; `number` is counted from 1."""

    text: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A Dockerfile in lines; `physical` keeps the line ends."""

    directives: Directives
    lines: tuple[Line, ...]
    comments: tuple[Comment, ...]
    physical: tuple[str, ...]


def read(data: bytes, *, file: str) -> Source:
    """Tokenize a Dockerfile; raises DockerfileError where a directive, a line or a heredoc isn't well formed."""
    return DockerfileLines(data, file=file).source


class DockerfileLines(DockerfileParser):  # type: ignore[misc]
    """dockerfile-parse with our own tokenizer, for everything that reads or rewrites a Dockerfile as records.

    All methods of DockerfileParser go through `structure`; its own misses heredocs, blank lines in continuations, two
    backslashes at the end of a line, and the escape directive after `check` or a byte order mark. Overriding only that makes
    the rest right, in particular `add_lines` and the setters of `baseimage` and `parent_images`. Its `envs`, `args` and
    `labels` aren't used: scoping is scope.py's.
    """

    def __init__(self, data: bytes, *, file: str = "Dockerfile") -> None:
        super().__init__(fileobj=io.BytesIO(data), env_replace=False)
        self._file = file

    @property
    def source(self) -> Source:
        return _Tokenizer(self.fileobj.getvalue(), file=self._file).run()

    @property
    def structure(self) -> list[dict[str, Any]]:
        """Records of `instruction`, `startline`, `endline` (from 0), `content` and `value`, ordered by last line."""
        source = self.source
        records = [_record(line.name, line.location, source, _value(line)) for line in source.lines]
        for comment in source.comments:
            place = Location(start=comment.number, end=comment.number)
            records.append(_record("COMMENT", place, source, comment.text))
        return sorted(records, key=lambda record: int(record["endline"]))


def _record(instruction: str, place: Location, source: Source, value: str) -> dict[str, Any]:
    return {
        "instruction": instruction,
        "startline": place.start - 1,
        "endline": place.end - 1,
        "content": "".join(source.physical[place.start - 1 : place.end]),
        "value": value,
    }


def _value(line: Line) -> str:
    return "".join(WHITESPACE.split(line.text.strip(SPACES), maxsplit=1)[1:])


def _split(text: str, escape: str) -> dict[str, Any]:
    """Keyword, flags and rest of a joined line, as fields of Line (parser/split_command.go)."""
    written, *after = WHITESPACE.split(text.strip(SPACES), maxsplit=1)
    flags, rest = split_flags(after[0] if after else "", escape)
    return {"keyword": written.lower(), "written": written, "flags": flags, "rest": rest.strip(SPACES)}


def _directive(line: str) -> re.Match[str] | None:
    match = _DIRECTIVE.fullmatch(line.rstrip("\r\n").lstrip(SPACES))
    return match if match and match[1].lower() in ("syntax", "escape", "check") else None


def _directives_below(lines: Sequence[str]) -> Directives:
    """Those that may follow a first line `#!…`: all but `escape`. They are comments as well, so nothing is wrong about them."""
    found = [(match[1].lower(), match[2]) for match in takewhile(bool, map(_directive, lines)) if match]
    return Directives(**{key: value for key, value in reversed(found) if key != "escape"})


class _Tokenizer:
    """One pass over the physical lines; used once."""

    def __init__(self, data: bytes, *, file: str) -> None:
        text = data.removeprefix(_BOM).decode("utf-8", "surrogateescape")
        self._physical = tuple(re.findall(r"[^\n]*\n|[^\n]+", text))
        self._file = file
        self._next = 0
        self._directives = Directives()
        self._comments: list[Comment] = []
        self._above: list[str] = []
        self._blank_before = 0

    def run(self) -> Source:
        self._check_lengths()
        self._read_directives()
        lines = tuple(self._lines())
        return Source(directives=self._directives, lines=lines, comments=tuple(self._comments), physical=self._physical)

    def _check_lengths(self) -> None:
        for number, line in enumerate(self._physical, 1):
            if len(line) * 4 > _LONGEST_LINE and len(line.rstrip("\n").encode("utf-8", "surrogateescape")) > _LONGEST_LINE:
                raise self._error(f"line is longer than {_LONGEST_LINE} bytes", number)

    def _read_directives(self) -> None:
        """They stand at the very top; the first line that isn't one ends them (parser/directives.go)."""
        if self._physical[:1] and self._physical[0].startswith("#!"):
            self._directives = _directives_below(self._physical[1:])
            return
        seen: dict[str, str] = {}
        for number, line in enumerate(self._physical, 1):
            match = _directive(line)
            if not match:
                break
            key = match[1].lower()
            if key in seen:
                raise self._error(f"only one {key} parser directive can be used", number)
            if key == "escape" and match[2] not in ("\\", "`"):
                raise self._error(f"invalid escape directive {match[2]!r}: it must be '\\' or '`'", number)
            seen[key] = match[2]
            self._next = number
            self._comment(match[0])
        self._directives = Directives(**seen)

    def _lines(self) -> Iterator[Line]:
        while self._next < len(self._physical):
            start = self._next
            text = self._physical[start].rstrip("\r\n").lstrip(SPACES)
            self._next += 1
            if text.startswith("#"):
                self._comment(text)
                self._above = [*self._above, self._comments[-1].text] if self._comments[-1].text else []
            elif text:
                yield self._line(self._joined(text), start)
                self._above = []
            else:
                self._above = []

    def _comment(self, text: str) -> None:
        self._comments.append(Comment(text=text[1:].strip(SPACES), number=self._next))

    def _joined(self, first: str) -> str:
        """With the continuation lines that follow; those that are blank or a comment don't count."""
        part, more = self._continues(first)
        parts = [part]
        blank = False
        while more and self._next < len(self._physical):
            text = self._physical[self._next].rstrip("\r\n")
            bare = text.lstrip(SPACES)
            self._next += 1
            if bare.startswith("#"):
                self._comment(bare)
            elif bare:
                part, more = self._continues(text)
                parts.append(part)
            else:
                blank = True
        self._blank_before = self._next if blank else 0
        return "".join(parts)

    def _continues(self, text: str) -> tuple[str, bool]:
        """Exactly one escape character at the end, blanks after it ignored, joins the next line."""
        escape = self._directives.escape
        bare = text.rstrip(" \t")
        if bare.endswith(escape) and not bare.endswith(escape * 2):
            return bare[:-1], True
        return text, False

    def _line(self, text: str, start: int) -> Line:
        source = _shown(self._physical[start])
        location = Location(file=self._file, start=start + 1, end=self._next)
        escape = self._directives.escape
        line = Line(
            **_split(text, escape),
            text=text,
            location=location,
            source=source,
            escape=escape,
            comments=tuple(self._above),
            blank_before=self._blank_before,
        )
        try:
            words = heredocs_in(text) if _may_have_heredocs(line) else ()
        except Problem as error:
            raise line.located(error) from error
        heredocs = tuple(self._body(heredoc, line) for heredoc in words)
        return replace(line, heredocs=heredocs, location=replace(location, end=self._next))

    def _body(self, heredoc: Heredoc, line: Line) -> Heredoc:
        """Read until the terminator; body lines are raw, so nothing in them is a comment or a continuation."""
        start = self._next
        while self._next < len(self._physical):
            text = self._physical[self._next].rstrip("\r\n")
            self._next += 1
            if (text.lstrip("\t") if heredoc.chomp else text) == heredoc.name:
                return replace(heredoc, content="".join(self._physical[start : self._next - 1]))
        raise line.error(f"unterminated heredoc {heredoc.name!r}", hint=f"a line {heredoc.name!r} of its own ends it")

    def _error(self, message: str, number: int) -> DockerfileError:
        return DockerfileError(message, file=self._file, line=number, source=_shown(self._physical[number - 1]))


def _shown(line: str) -> str:
    """As error messages may print it: not too long, and UTF-8."""
    return line.strip()[:200].encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _may_have_heredocs(line: Line) -> bool:
    if "<<" not in line.text:
        return False
    if line.keyword == "onbuild":
        line = line.nested()
    return line.keyword in ("run", "copy", "add") and not is_json_array(line.rest)
