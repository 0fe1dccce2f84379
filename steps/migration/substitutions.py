"""Cloud Build fails a build that declares a substitution and uses it nowhere: one that only Kaniko's tag used has to go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from steps.migration.changes import Changes, Edit, Note, applied, line_of
from steps.migration.command_lines import without_items

_KEY = "substitutions"


def unused(text: str, documents: Iterable[Any], edits: Sequence[Edit]) -> Changes:
    """Takes out what was used before these edits and isn't any more."""
    changes, after = Changes(), applied(text, edits)
    for root in documents:
        entries = {key.value: value for key, value in root.value if key.id == "scalar"} if root.id == "mapping" else {}
        declared = entries.get(_KEY)
        if "steps" not in entries or declared is None or declared.id != "mapping":
            continue
        gone = [n for n, (key, _) in enumerate(declared.value) if _uses(text, key.value) and not _uses(after, key.value)]
        changes += _notes(text, declared, gone)
        if gone and len(gone) == len(declared.value):
            changes += _without(text, root, [list(entries).index(_KEY)])
        elif gone:
            changes += _without(text, declared, gone)
    return changes


def _uses(text: str, name: str) -> bool:
    return bool(re.search(rf"\$(?:\{{{name}\}}|{name}\b)", text))


def _without(text: str, mapping: Any, gone: Sequence[int]) -> Changes:
    spans = [(key.start_mark.index, _end(text, value)) for key, value in mapping.value]
    return Changes(edits=without_items(text, spans, gone, in_lines=not mapping.flow_style))


def _end(text: str, value: Any) -> int:
    """Where its last character is: a block's own end is where the next thing begins."""
    end: int = value.end_mark.index
    return len(text[:end].rstrip()) if value.id == "mapping" and not value.flow_style else end


def _notes(text: str, declared: Any, gone: Sequence[int]) -> Changes:
    reason = "nothing uses it any more, and Cloud Build takes that for an error. A trigger that sets it has to stop, too"
    keys = [declared.value[number][0] for number in gone]
    return Changes(
        notes=tuple(Note(line=line_of(text, key.start_mark.index), text=f"{key.value} is dropped: {reason}") for key in keys)
    )
