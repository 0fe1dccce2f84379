from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

import pytest

from builder.errors import UsageError
from builder.flags import Parser, add_flags, attach_values, flag_of, option_of, read, split_booleans
from builder.options import BuildOptions, CommonOptions, RegistryFlags

Table = TypeVar("Table")
TABLES = (BuildOptions, RegistryFlags, CommonOptions)


def parse(*arguments: str, env: dict[str, str] | None = None) -> BuildOptions:
    return parse_as(BuildOptions, *arguments, env=env)


def parse_as(table: type[Table], *arguments: str, env: dict[str, str] | None = None) -> Table:
    parser = Parser(prog="masu build")
    for each in TABLES:
        add_flags(parser, each)
    return read(table, parser.parse_args(split_booleans(attach_values(arguments, TABLES), TABLES)), env or {})


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        ((), "context", ""),
        (("--context", "x"), "context", "x"),
        (("--context=x",), "context", "x"),
        (("--context=x", "--context=y"), "context", "y"),
        (("--context=a=b",), "context", "a=b"),
        (("--target=x", "--target", "y,z"), "target", ("x", "y,z")),
        (("-f", "D"), "dockerfile", "D"),
        (("-fD",), "dockerfile", "D"),
        (("--file", "D"), "dockerfile", "D"),
        (("--dockerfile=D",), "dockerfile", "D"),
        (("-d", "a", "--destination=b"), "destination", ("a", "b")),
        (("--build-arg", "A=1,2", "--build-arg=B"), "build_arg", ("A=1,2", "B")),
        (("--no-push",), "no_push", True),
        (("--no-push=true",), "no_push", True),
        (("--no-push=false",), "no_push", False),
        (("--no-push", "--no-push=0"), "no_push", False),
        (("--platform", "linux/arm64"), "custom_platform", ("linux/arm64",)),
        (("--customPlatform=linux/arm64", "--platform=a,b"), "custom_platform", ("linux/arm64", "a,b")),
        (("--tarPath=x.tar",), "tar_path", "x.tar"),
        (("--dryrun",), "dry_run", True),
        (("--dryrun=False",), "dry_run", False),
        (("--no-cache=false",), "no_cache", False),
        (("--build-arg", "-Da=b", "--build-arg", "--x", "-d=-"), "build_arg", ("-Da=b", "--x")),
        (("--build-arg", "--x=y", "-f", "--no"), "dockerfile", "--no"),
        (("-f", "-", "--no-push"), "dockerfile", "-"),
        (("--no-cache=one,two", "--no-cache-filter=three"), "no_cache_filter", ("one", "two", "three")),
    ],
)
def test_flags_are_read_as_pflag_reads_them(arguments: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(parse(*arguments), field) == value


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("--no-such=x",), "unknown flag: --no-such$"),
        (("x", "y"), "unknown argument 'x'"),
        (("--no-push", "true"), 'unknown command "true" after --no-push'),
        (("--no-push=maybe",), "maybe"),
        (("--targ", "x"), "--targ"),
        (("--target",), "expected one argument"),
        (("--destination",), "expected one argument"),
        (("--destination", "--no-push"), "--destination: expected one argument"),
        (("-f", "-c=."), "--dockerfile: expected one argument"),
    ],
)
def test_wrong_use_is_a_usage_error(arguments: tuple[str, ...], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        parse(*arguments)


@pytest.mark.parametrize("text", ["debug", "DEBUG", "Debug"])
def test_levels_may_be_written_in_capitals(text: str) -> None:
    assert parse_as(CommonOptions, "-v", text).verbosity == "debug"


def test_a_hint_has_no_choice_that_is_empty() -> None:
    with pytest.raises(UsageError) as caught:
        parse("--image-format=OCI")
    assert caught.value.hint == "choose from docker, oci"


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False)])
def test_a_variable_gives_the_default(text: str, value: bool) -> None:
    assert parse(env={"KANIKO_NO_PUSH": text}).no_push is value


def test_the_command_line_wins_over_a_variable() -> None:
    assert parse("--no-push=false", env={"KANIKO_NO_PUSH": "true"}).no_push is False


def test_every_row_has_help_and_no_spelling_is_used_twice() -> None:
    rows = [row for table in TABLES for row in fields(table)]
    assert all(flag_of(row).help for row in rows)
    spellings = [name for row in rows for name in (option_of(row), *(f"--{alias}" for alias in flag_of(row).aliases))]
    shorts = [flag_of(row).short for row in rows if flag_of(row).short]
    assert len(set(spellings)) == len(spellings)
    assert len(set(shorts)) == len(shorts)
