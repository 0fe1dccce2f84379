"""A scalar's characters are found in the file, however YAML writes it."""

from __future__ import annotations

import pytest

from steps.migration import positions, shellwords
from steps.migration.executor_flags import verdict

STYLES = (
    "plain words",
    "plain\n  over two\n  lines",
    "plain\n\n  with a break",
    "'single ''quotes'''",
    '"double \\"quotes\\"\\tand \\\\"',
    '"folded\n  \\\n  further"',
    "&anchor value",
    "!tag 'value'",
    "|\n  two\n  lines\n",
    "|2-\n   indented\n  less\n",
    "|+\n  kept\n\n",
    ">\n  folded\n  lines\n\n  and a break\n",
    ">-\n  folded\n    deeper\n  back\n",
    "|  # comment\n  text # not one\n",
)


@pytest.mark.parametrize("style", STYLES)
def test_each_character_of_a_value_has_its_place(style: str) -> None:
    text = f"key: {style}\n"
    ((_, node),) = positions.compose(text)[0].value
    found = positions.scalar(text, node)
    assert found is not None
    assert found.value == node.value.rstrip("\n")
    assert all(
        text[place] in (character, "\n", "n", "t") or character in " \n"
        for character, place in zip(found.value, found.at, strict=True)
    )
    assert list(found.at) == sorted(found.at)


def test_where_places_can_not_be_told_nothing_is_said() -> None:
    text = 'key: "\\x41"\n'
    ((_, node),) = positions.compose(text)[0].value
    assert positions.scalar(text, node) is None


COMMANDS = (
    ("a b c", [["a", "b", "c"]]),
    ("a 'b c' \"d $(e f)\"", [["a", "'b c'", '"d $(e f)"']]),
    ("a \\\n  b && c; d | e", [["a", "b"], ["c"], ["d"], ["e"]]),
    ("a # b c\nd", [["a"], ["d"]]),
    ("a > b 2>&1 c", [["a", "c"]]),
    ("a --x=${{ github.sha }}y ${B:-c d} $(f (g) h)", [["a", "--x=${{ github.sha }}y", "${B:-c d}", "$(f (g) h)"]]),
    ("a#b `c d`", [["a#b", "`c d`"]]),
    ("it's", [["it", "s"]]),  # an open quote is no reason to stop
)


@pytest.mark.parametrize(("text", "words"), COMMANDS, ids=[row[0] for row in COMMANDS])
def test_shell_text_is_cut_into_commands_and_words(text: str, words: list[list[str]]) -> None:
    found = list(shellwords.commands(text))
    assert [[word.text for word in command] for command in found] == words
    assert all(text[word.start : word.end] == word.text for command in found for word in command)


VERDICTS = (
    ("--destination", False, "--destination", False),
    ("-d", False, "-d", False),
    ("--tarPath", False, "--tar-path", False),
    ("--snapshotMode", False, "", False),
    ("--force", False, "", False),
    ("--force", True, "--force", False),  # the warmer's does something
    ("--materialize", False, "--materialize", True),
    ("--nonsense", False, "--nonsense", True),
)


@pytest.mark.parametrize(("flag", "of_warmer", "name", "to_do"), VERDICTS, ids=[f"{row[0]}-{row[1]}" for row in VERDICTS])
def test_the_options_table_says_what_becomes_of_a_flag(flag: str, of_warmer: bool, name: str, to_do: bool) -> None:
    said = verdict(flag, of_warmer=of_warmer)
    assert (said.name, said.to_do) == (name, to_do)
