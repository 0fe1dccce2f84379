"""COPY's wildcards: Go's filepath.Match for each component of a path; a leading dot is nothing special."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from builder.errors import ContextError
from builder.rootfs import paths


def has_wildcards(component: str) -> bool:
    """Whether there is `*`, `?` or `[` that no backslash escapes."""
    return re.search(r"[*?\[]", re.sub(r"\\.", "", component, flags=re.DOTALL)) is not None


def literal(name: str) -> str:
    """A component that matches `name` only."""
    return re.sub(r"[*?\[\\]", r"[\g<0>]", name).replace("[\\]", "[\\\\]") if has_wildcards(name) else name


def expand(root_fd: int, path: str, *, wanted: Callable[[str], bool]) -> list[str]:
    """Paths below the root that match, sorted; directories for which `wanted` is false aren't entered.

    Components before the first wildcard may be links, later ones not. Raises FileNotFoundError when the former don't exist,
    ContextError for a malformed wildcard.
    """
    components = [part for part in path.split("/") if part]
    first = next((index for index, part in enumerate(components) if has_wildcards(part)), len(components))
    fd, base = paths.open_dir(root_fd, "/".join(components[:first]))
    os.close(fd)
    found = [base]
    for component in components[first:]:
        pattern = compile_component(component)
        found = [
            child
            for parent in found
            for child in _children(root_fd, parent)
            if pattern.fullmatch(paths.split(child)[1]) and wanted(child)
        ]
    return found


def _children(root_fd: int, directory: str) -> list[str]:
    try:
        fd = paths.open_strict(root_fd, directory)
    except NotADirectoryError:
        return []
    try:
        return [paths.join(directory, name) for name in sorted(os.listdir(fd))]
    finally:
        os.close(fd)


def compile_component(pattern: str) -> re.Pattern[str]:
    """A regular expression for one component; raises ContextError when the pattern is malformed."""
    parts = []
    position = 0
    while position < len(pattern):
        char = pattern[position]
        position += 1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif char == "[":
            text, position = _character_class(pattern, position)
            parts.append(text)
        else:
            if char == "\\":
                char, position = _escaped(pattern, position)
            parts.append(re.escape(char))
    return re.compile("".join(parts), re.DOTALL)


def _character_class(pattern: str, position: int) -> tuple[str, int]:
    """What stands after `[`: `^` negates, `a-z` is a range, a backslash escapes; at least one item, so that `[]` is malformed."""
    negated = pattern[position : position + 1] == "^"
    position += negated
    items: list[str] = []
    while pattern[position : position + 1] != "]" or not items:
        low, position = _class_char(pattern, position)
        high = low
        if pattern[position : position + 1] == "-":
            high, position = _class_char(pattern, position + 1)
        if low <= high:
            items.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            items.append("")  # an empty range matches nothing
    ranges = "".join(items)
    if not ranges:
        return ("." if negated else "(?!)"), position + 1
    return f"[{'^' if negated else ''}{ranges}]", position + 1


def _class_char(pattern: str, position: int) -> tuple[str, int]:
    char = pattern[position : position + 1]
    if char in ("", "-", "]"):
        raise _malformed(pattern)
    return _escaped(pattern, position + 1) if char == "\\" else (char, position + 1)


def _escaped(pattern: str, position: int) -> tuple[str, int]:
    if position >= len(pattern):
        raise _malformed(pattern)
    return pattern[position], position + 1


def _malformed(pattern: str) -> ContextError:
    return ContextError(f"malformed wildcard {pattern!r}", hint="a literal '[' is written '[[]', a literal backslash '\\\\'")
