from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from builder.commands import COMMANDS
from builder.flags import flag_of
from steps.manual import manual

ROOT = Path(__file__).parents[2]


def test_the_manual_is_up_to_date() -> None:
    assert (ROOT / "docs/flags.md").read_text(encoding="utf-8") == manual(), "run make flags"


def test_every_note_on_kaniko_begins_with_one_of_three_words_and_gives_the_reason() -> None:
    notes = [flag_of(row).kaniko for command in COMMANDS.values() for table in command.tables for row in fields(table)]
    wrong = [note for note in notes if note and note != "same" and not note.startswith(("same: ", "better: ", "different: "))]
    assert wrong == []
