"""The rules of .dockerignore: how the file is read (moby/patternmatcher, ignorefile/ignorefile.go)."""

from __future__ import annotations

import os

from builder.errors import ContextError
from builder.matcher import Matcher, Pattern, clean
from builder.values import dataclass, field

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreRules:
    """`file` names the ignore file in messages."""

    matcher: Matcher = field(default_factory=Matcher)
    file: str = ""

    @classmethod
    def parse(cls, data: bytes, *, file: str) -> IgnoreRules:
        """Read an ignore file; raises ContextError with file and line for a malformed pattern."""
        patterns = []
        for number, line in enumerate(data.removeprefix(_BOM).split(b"\n"), start=1):
            try:
                pattern = _parse_line(os.fsdecode(line))
            except ValueError as error:
                raise ContextError(f"{file}:{number}: {error}: {os.fsdecode(line).strip()!r}") from error
            if pattern is not None:
                patterns.append(pattern)
        return cls(matcher=Matcher(patterns=tuple(patterns)), file=file)

    def ignored(self, path: str) -> bool:
        """Whether `path`, relative to the context, is excluded."""
        return self.matcher.matches(path)

    def prunes(self, directory: str) -> bool:
        """Whether everything below this excluded directory is excluded too."""
        return not self.matcher.may_spare_below(directory)


def _parse_line(line: str) -> Pattern | None:
    """One line; None for comments, empty lines and what matches nothing. A slash at the beginning means nothing."""
    if line.startswith("#"):
        return None
    text = line.strip()
    mark = "!" if text.startswith("!") else ""
    text = text.removeprefix(mark).strip()
    if text:
        text = clean(text)
        text = text.removeprefix("/") or text
        if text in (".", "/"):
            return None
    return Pattern.parse(mark + text)
