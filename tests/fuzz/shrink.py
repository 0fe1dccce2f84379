"""A failing case made smaller while it fails in the same way: lines first, then pieces of lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.support.cases import Case

_SHRUNK = ("options", "Dockerfile", "context")


def shrink(case: Case, fails: Callable[[Case], bool], *, tries: int = 120) -> Case:
    """The smallest case found by at most `tries` calls of `fails`."""
    left = tries
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(case):
            if left == 0:
                return case
            left -= 1
            if fails(candidate):
                case, progress = candidate, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    """Biggest cuts first: halves of a section, then lines, then pieces of a line."""
    for section in _SHRUNK:
        lines = _lines(case, section)
        size = (len(lines) + 1) // 2
        while size >= 1:
            for start in range(len(lines) - size, -1, -size):
                yield from _with(case, section, lines[:start] + lines[start + size :])
            size = size // 2
    for section in ("Dockerfile", "context"):
        lines = _lines(case, section)
        for index, line in enumerate(lines):
            for shorter in _shorter(line):
                yield from _with(case, section, [*lines[:index], shorter, *lines[index + 1 :]])


def _shorter(line: str) -> Iterator[str]:
    for separator in ("; ", " && ", " "):
        pieces = line.split(separator)
        first = 1 if separator == " " else 0
        if len(pieces) > 1:
            for index in range(first, len(pieces)):
                shorter = separator.join(pieces[:index] + pieces[index + 1 :])
                yield f"RUN {shorter}" if line.startswith("RUN ") and not shorter.startswith("RUN ") else shorter


def _lines(case: Case, section: str) -> list[str]:
    """The section's instructions: what is continued stays together."""
    return re.split(r"(?<![\\`])\n(?!#|\n)", case.sections.get(section, "").strip("\n"))


def _with(case: Case, section: str, lines: list[str]) -> Iterator[Case]:
    """Nothing at all where the section may not be empty."""
    sections = {name: text for name, text in case.sections.items() if name != section}
    text = "\n".join(lines).strip("\n")
    if text:
        sections[section] = text + "\n"
    elif section == "Dockerfile":
        return
    if sections != dict(case.sections):
        yield replace(case, sections=sections)
