"""The fenced blocks of our documents, as a reader pastes them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.support.shared import REPOSITORY

_FENCED = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """`document` is relative to the repository, `heading` the one above; `line` is where it begins, from 1."""

    document: str
    heading: str
    language: str
    text: str
    line: int

    @property
    def begins(self) -> str:
        """Its first line, by which tables name it."""
        return self.text.partition("\n")[0]


def snippets(document: Path) -> list[Snippet]:
    """All blocks of a Markdown file, in their order."""
    text = document.read_text(encoding="utf-8")
    found = []
    for match in _FENCED.finditer(text):
        before = text[: match.start()]
        headings = re.findall(r"^#+ (.*)$", re.sub(_FENCED, "", before), re.MULTILINE)
        found.append(
            Snippet(
                document=document.relative_to(REPOSITORY).as_posix(),
                heading=headings[-1] if headings else "",
                language=match[2],
                text=textwrap.dedent(match[3]),
                line=before.count("\n") + 1,
            )
        )
    return found
