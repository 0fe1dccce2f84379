"""Changes to the flags of an executor's or warmer's command line, in a shell script or in a list of YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.values import replace
from steps.migration import images, shellwords
from steps.migration.changes import Changes, Edit, Note, line_of
from steps.migration.executor_flags import verdict
from steps.migration.positions import Scalar
from steps.migration.shellwords import Word

_PROGRAM = re.compile(r"(?:.*/)?kaniko/(?:executor|warmer)|executor")
_WARMER = "warmer"
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "eval"})
_SUBSTITUTION = re.compile(r"\$\(((?:[^()]|\([^()]*\))*)\)")


def in_script(text: str, script: Scalar, variables: Mapping[str, str]) -> Changes:
    """Every call of Kaniko in a script: by its path, or by `docker run` of its image, which `variables` may name."""
    changes = Changes()
    for words in shellwords.commands(script.value):
        for first, end in _nested(words):
            changes += in_script(text, Scalar(value=script.value[first:end], at=script.at[first:end]), variables)
        start, of_warmer = _called(words, variables)
        if not start:
            continue
        image = next(images.found(images.of_variable(words[start - 1].text.strip("\"'"), variables), {}), None)
        if image and image.is_warmer:
            place = script.span(words[start - 1].start, words[start - 1].end)[1]
            changes += Changes(edits=(Edit(start=place, end=place, text=f" {_WARMER}"),))
        changes += _flags(text, script, words, start, of_warmer=of_warmer)
    return changes


def in_flags(text: str, flags: Scalar, *, of_warmer: bool) -> Changes:
    """A text that is nothing but flags, over several lines or not."""
    return _flags(text, flags, shellwords.lines(flags.value), 0, of_warmer=of_warmer)


def in_list(text: str, items: Sequence[tuple[Any, Scalar | None]], sequence: Any, *, of_warmer: bool) -> Changes:
    """A list of arguments, a word each: nodes with their values. A list isn't emptied: what does nothing may stay."""
    changes, dropped = Changes(), set[int]()
    for number, (node, value) in enumerate(items):
        if value is None or not value.value.startswith("-") or number in dropped:
            continue
        name = value.value.partition("=")[0]
        said, line = verdict(name, of_warmer=of_warmer), line_of(text, node.start_mark.index)
        changes += _said(said.word, line, to_do=said.to_do)
        if not said.name:
            dropped |= {number, number + 1} if said.takes_word and "=" not in value.value else {number}
        elif said.name != name:
            start, end = value.span(0, len(name))
            changes += Changes(edits=(Edit(start=start, end=end, text=said.name),))
    gone = [number for number in sorted(dropped) if number < len(items)]
    if len(gone) == len(items):
        return Changes(notes=tuple(replace(note, text=note.text.replace("is dropped", "may go")) for note in changes.notes))
    return changes + Changes(
        edits=without_items(
            text, [(node.start_mark.index, node.end_mark.index) for node, _ in items], gone, in_lines=not sequence.flow_style
        )
    )


def without_items(text: str, spans: Sequence[tuple[int, int]], gone: Sequence[int], *, in_lines: bool) -> tuple[Edit, ...]:
    """Takes items out of a list or entries out of a mapping, not all, with their lines if they have their own (`in_lines`)."""
    return tuple(_without_item(text, spans, number, gone, in_lines=in_lines) for number in gone)


def _without_item(text: str, spans: Sequence[tuple[int, int]], number: int, gone: Sequence[int], *, in_lines: bool) -> Edit:
    start, end = spans[number]
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    if in_lines:
        return Edit(start=line_start, end=len(text) if line_end < 0 else line_end + 1, text="")
    if number + 1 < len(spans):
        return Edit(start=start, end=spans[number + 1][0], text="")
    kept = max(other for other in range(len(spans)) if other not in gone)
    return Edit(start=spans[kept][1], end=end, text="")


def first_item(text: str, items: Sequence[Any], word: str) -> Edit:
    """Puts `word` before the others of a list that has some."""
    first = items[0].start_mark.index
    start = text.rfind("\n", 0, first) + 1
    before = text[start:first]
    if re.fullmatch(r"[ ]*-[ ]+", before):
        return Edit(start=first, end=first, text=f"{word}\n{before}")
    return Edit(start=first, end=first, text=f"{word}, ")


def _nested(words: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """Where scripts are within a command: what a shell is given in quotes, and command substitutions."""
    is_shell = os.path.basename(words[0].text) in _SHELLS
    for word in words:
        quoted = is_shell and len(word.text) > 2 and word.text[0] == word.text[-1] and word.text[0] in "\"'"
        if quoted:
            yield word.start + 1, word.end - 1
        else:
            yield from ((word.start + match.start(1), word.start + match.end(1)) for match in _SUBSTITUTION.finditer(word.text))


def _called(words: Sequence[Word], variables: Mapping[str, str]) -> tuple[int, bool]:
    """Where the arguments of Kaniko begin among a command's words, 0 if it isn't called; whether it is the warmer."""
    for number, word in enumerate(words):
        plain = word.text.strip("\"'")
        if _PROGRAM.fullmatch(plain) and (number == 0 or "/" in plain):
            return number + 1, os.path.basename(plain) == _WARMER
        named = images.of_variable(plain, variables)
        image = next(images.found(named, variables), None)
        if image and image.text == named and {"run", "create"} & {other.text for other in words[:number]}:
            return number + 1, image.is_warmer
    return 0, False


def _flags(text: str, scalar: Scalar, words: Sequence[Word], first: int, *, of_warmer: bool) -> Changes:
    changes, skip, before = Changes(), -1, scalar.span(words[first - 1].start, words[first - 1].end)[1] if first else -1
    dropped: list[tuple[int, int, int]] = []
    for number in range(first, len(words)):
        word = words[number]
        start, end = scalar.span(word.start, word.end)
        if number == skip:
            continue
        if not word.text.startswith("-") or word.text in ("-", "--"):
            before = end
            continue
        name = word.text.partition("=")[0]
        said = verdict(name, of_warmer=of_warmer)
        changes += _said(said.word, line_of(text, start), to_do=said.to_do)
        if not said.name:
            has_value = said.takes_word and "=" not in word.text and number + 1 < len(words)
            skip = number + 1 if has_value else -1
            last = words[number + 1] if has_value else word
            dropped.append((start, scalar.span(last.start, last.end)[1], before))
            continue
        before = end
        if said.name != name:
            changes += Changes(edits=(Edit(start=start, end=scalar.span(word.start, word.start + len(name))[1], text=said.name),))
    return changes + Changes(edits=tuple(_without(text, *place) for place in _joined(text, dropped)))


def _joined(text: str, places: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """What is beside each other on a line goes as one: the line goes with it if there is nothing else on it."""
    found: list[tuple[int, int, int]] = []
    for start, end, before in places:
        if found and not text[found[-1][1] : start].strip(" \t"):
            start, _, before = found.pop()
        found.append((start, end, before))
    return found


def _without(text: str, start: int, end: int, before: int) -> Edit:
    """Takes words out, with their line if nothing else is on it, else with the blanks before; `before`: where the last ended."""
    line_start, line_end = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    line_end = len(text) if line_end < 0 else line_end
    rest = text[end:line_end].strip()
    alone = not text[line_start:start].strip() and not rest.strip("\\")
    if alone and (rest or not _goes_on(text, line_start)):
        return Edit(start=line_start, end=min(line_end + 1, len(text)), text="")
    if alone and before >= 0:
        return Edit(start=before, end=end, text="")
    if before >= 0 and text[line_start:start].strip():
        return Edit(start=max(before, start - _blanks(text, start)), end=end, text="")
    after = end + len(text[end:line_end]) - len(text[end:line_end].lstrip(" "))
    return Edit(start=start, end=after, text="")


def _goes_on(text: str, line_start: int) -> bool:
    """Whether the line before ends with a backslash."""
    return text[:line_start].rstrip("\n").endswith("\\")


def _blanks(text: str, start: int) -> int:
    return start - len(text[:start].rstrip(" \t"))


def _said(word: str, line: int, *, to_do: bool) -> Changes:
    return Changes(notes=(Note(line=line, text=word, to_do=to_do),)) if word else Changes()


def mentions(script: str, variables: Mapping[str, str]) -> bool:
    """Whether a text may call Kaniko anywhere: by a path, an image, or a variable with an image."""
    if re.search(r"kaniko/(?:executor|warmer)\b|kaniko-project/|/kaniko\b", script):
        return True
    names = re.findall(r"\$\{?(\w+)", script)
    return any(next(images.found(variables.get(name, ""), {}), None) for name in names)


def calls_bare(script: str) -> bool:
    """Whether it calls an `executor` by its name alone, which is on the PATH of Kaniko's image."""
    return bool(re.search(r"(?:^|[;&|(])[ \t]*executor[ \t]+-", script, re.MULTILINE))


def programs(words: Sequence[str]) -> Iterator[str]:
    """Those of Kaniko among the words of a list."""
    return (os.path.basename(word) for word in words if _PROGRAM.fullmatch(word))
