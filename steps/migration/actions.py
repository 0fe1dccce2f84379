"""GitHub's actions that have Kaniko inside: masu's takes their inputs by their names, so that one word changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from steps.migration.changes import Changes, Edit, Note, line_of

_KNOWN = re.compile(r"(?:int128/kaniko-action|aevea/action-kaniko)(?:@\S+)?")
_VERSION = re.compile(r"[ \t]+#[ \t]*v?\d[\w.]*[ \t]*$", re.MULTILINE)
"""The comment behind an action that is pinned by a commit: it would be wrong of another."""
_IMAGE_INPUT, _OUR_IMAGE_INPUT = "executor", "step-image"


def is_kanikos(uses: Any) -> bool:
    """Whether a step's `uses` is one whose inputs masu takes."""
    return uses is not None and uses.id == "scalar" and bool(_KNOWN.fullmatch(uses.value))


def of_step(text: str, entries: Mapping[str, Any], *, action: str) -> Changes:
    """The changes to a step that uses something; none if that has nothing to do with Kaniko."""
    uses = entries["uses"]
    if uses.id != "scalar":
        return Changes()
    line = line_of(text, uses.start_mark.index)
    if is_kanikos(uses):
        return Changes(edits=(*_renamed(text, uses, action), *_inputs(entries.get("with"))))
    if "kaniko" in uses.value.lower() and not uses.value.startswith("docker://"):
        word = f"{uses.value} is not known: use {action}, whose inputs are in plugins/github-actions/README.md"
        return Changes(notes=(Note(line=line, text=word, to_do=True),))
    return Changes()


def _renamed(text: str, uses: Any, action: str) -> tuple[Edit, ...]:
    start = text.index(uses.value, uses.start_mark.index)
    edit = Edit(start=start, end=start + len(uses.value), text=action)
    comment = _VERSION.match(text, uses.end_mark.index)
    return (edit, Edit(start=comment.start(), end=comment.end(), text="")) if comment else (edit,)


def _inputs(given: Any) -> tuple[Edit, ...]:
    """The input that names Kaniko's image names masu's, whose text is changed as that of every image."""
    keys = [key for key, _ in given.value if key.value == _IMAGE_INPUT] if given is not None and given.id == "mapping" else []
    return tuple(Edit(start=key.start_mark.index, end=key.end_mark.index, text=_OUR_IMAGE_INPUT) for key in keys)
