from __future__ import annotations

from dataclasses import fields

import pytest

from builder.commands import COMMANDS, Call, command_of, own_words, parser_of
from builder.errors import UsageError
from builder.flags import flag_of, option_of
from builder.options import RunOptions


@pytest.mark.parametrize(
    ("name", "words", "count"),
    [
        ("run", "image --help -v", 0),
        ("run", "-i image --help", 1),
        ("run", "-e A=b --env=C=d -u 1 image -e x", 5),
        ("run", "-eA=b image", 1),
        ("run", "--interactive=false --workdir /x image -w", 3),
        ("run", "--log-timestamp image x", 1),
        ("run", "-- image x", 0),
        ("run", "--help", 1),
        ("run", "-w", 1),
        ("run", "", 0),
        ("build", "--target x . --help", 4),
        ("build", ". -- --help", 1),
    ],
)
def test_the_words_of_a_container_are_not_masus(name: str, words: str, count: int) -> None:
    assert own_words(words.split(), COMMANDS[name]) == count


def test_arguments_and_options_are_read_by_their_names() -> None:
    call = Call(
        env={"MASU_STATE_DIR": "/s"}, parsed=parser_of("run", COMMANDS["run"]).parse_args(["-e", "A=b", "img", "sh", "-c"])
    )
    assert (call.word("image"), call.words("command"), call.options(RunOptions).env) == ("img", ("sh", "-c"), ("A=b",))


def test_an_argument_that_may_be_missing_is_empty() -> None:
    assert Call(env={}, parsed=parser_of("build", COMMANDS["build"]).parse_args([])).word("path") == ""


@pytest.mark.parametrize(
    ("name", "missing"), [("run", "IMAGE"), ("tag", "SOURCE, NAME"), ("pull", "IMAGE"), ("unpack", "IMAGE, DIRECTORY")]
)
def test_only_what_is_needed_is_missed(name: str, missing: str) -> None:
    with pytest.raises(UsageError, match=f"are required: {missing}$"):
        parser_of(name, COMMANDS[name]).parse_args([])


def test_an_unknown_command_is_a_usage_error_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="unknown command 'biuld'") as error:
        command_of("biuld", COMMANDS)
    assert "build, " in error.value.hint


@pytest.mark.parametrize("name", list(COMMANDS))
def test_no_command_has_a_spelling_twice_and_all_have_help(name: str) -> None:
    rows = [row for table in COMMANDS[name].tables for row in fields(table)]
    shorts = [flag_of(row).short for row in rows if flag_of(row).short]
    names = [spelling for row in rows for spelling in (option_of(row), *(f"--{alias}" for alias in flag_of(row).aliases))]
    destinations = [*(row.name for row in rows), *(argument.name.lower() for argument in COMMANDS[name].arguments)]
    assert [len(set(several)) for several in (shorts, names, destinations)] == [len(shorts), len(names), len(destinations)]
    assert all(flag_of(row).help for row in rows)
    assert COMMANDS[name].help
    assert f"masu {name}" in parser_of(name, COMMANDS[name]).format_help()
