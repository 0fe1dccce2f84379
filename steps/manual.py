"""docs/flags.md: every flag and variable beside Kaniko's, made from the options table. `make flags` writes it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from builder.commands import COMMANDS
from builder.flags import default_of, flag_of, is_bool, option_of
from builder.kaniko import VARIABLES, Variable
from builder.values import Field, fields

_INTRO = """# Flags and variables, beside Kaniko's

*Made by `make flags` from the options table; `masu help COMMAND` has the same in short.*

A flag is written `--flag VALUE` or `--flag=VALUE`; a boolean one is `--flag`, `--flag=true` or `--flag=false`, never two words.
Flags marked + may be repeated: every value counts. Of any other the last counts. A variable gives the default of a flag, and adds
to one that repeats; the command line wins.

**same**: as Kaniko's. **better**: what worked with Kaniko works, and more is right. **different**: look at the reason. "The fork"
is osscontainertools/kaniko, "upstream" GoogleContainerTools/kaniko 1.24.
"""

_OUTRO = """## Exit codes

0: done. 1: an error, told in the last lines as `error: …` and mostly a `hint: …`. The exit code of a RUN that fails is masu's
own, as with Kaniko (128 + number if a signal ended it). 70: a bug in masu. 130: interrupted. 143: terminated by SIGTERM.

`error building image: …` and `error pushing image: …` begin as Kaniko's do; so does `error checking push permissions`.

## Log

On standard error, in Kaniko's three forms (`--log-format`). Of the lines that people look for in Kaniko's log:
"""

_SENTENCES = (
    ("`Pushing image to REF`, `Pushed REPOSITORY@DIGEST`", "same"),
    ("`Skipping push to container registry due to --no-push flag`", "same"),
    (
        "`Unpacking rootfs as cmd … requires it.`, `Skipping unpacking as no commands require it.`",
        "same: where a base is unpacked",
    ),
    ("`Taking snapshot of full filesystem...`", "different: it would be a lie: the file system is not read"),
    ("`Built cross stage deps: …`", "different: no files are set aside for later stages; `--dry-run` shows what reads what"),
    (
        "`Using caching version of cmd: …`, `No cached layer found for cmd …`",
        "better: the second ends with the reason, as `(changed: src/a)`",
    ),
    ("`Found cached layer, extracting to filesystem`", "different: it is not extracted unless something needs it"),
    ("`Kaniko version :  …` of `/kaniko/executor version`", "different: `masu VERSION`"),
)

# The core knows no platform: what is read for one is told here.
_PLATFORMS = (
    Variable(
        name="BUILDER_OUTPUT",
        kaniko="better: its `images` has a line for each name that was pushed, its `output` a summary, also of a failure",
    ),
    Variable(name="GOOGLE_APPLICATION_CREDENTIALS", kaniko="same"),
    Variable(name="AWS_*", kaniko="same: those that boto3 reads"),
    Variable(name="AZURE_*", kaniko="same"),
    Variable(name="CI_REGISTRY, CI_REGISTRY_USER, CI_REGISTRY_PASSWORD", kaniko="same: for that registry only"),
    Variable(
        name="KANIKO_HOST_USER, KANIKO_HOST_PASSWORD",
        kaniko="different: as in the fork, HOST in capitals with _ for . and -, but for that host alone: what is meant for "
        "example.com isn't shown to registry.example.com, and a warning says so",
    ),
    Variable(name="S3_ENDPOINT, S3_FORCE_PATH_STYLE", kaniko="same"),
    Variable(name="AZURE_STORAGE_ACCESS_KEY", kaniko="same"),
    Variable(name="GIT_USERNAME, GIT_PASSWORD, GIT_TOKEN, GIT_PULL_METHOD", kaniko="same"),
)


def manual() -> str:
    """The text of docs/flags.md."""
    parts = [_INTRO]
    builds = set(COMMANDS["build"].tables)
    parts += _flags("`masu build`, `/kaniko/executor`", COMMANDS["build"].tables)
    parts += _flags("`masu warmer`, `/kaniko/warmer`", [table for table in COMMANDS["warmer"].tables if table not in builds])
    parts += ["It takes the flags for registries and for the log as well.\n", "## Variables without a flag\n"]
    rows = [
        (_quoted(item.name), *_verdict(item.kaniko)) for item in sorted((*VARIABLES, *_PLATFORMS), key=lambda item: item.name)
    ]
    parts.append(_table(("variable", "beside Kaniko", "reason"), rows))
    parts += [_OUTRO, _table(("line", "beside Kaniko", "reason"), [(line, *_verdict(note)) for line, note in _SENTENCES])]
    return "\n".join(parts)


def _flags(title: str, tables: Sequence[type]) -> Iterator[str]:
    rows = [row for table in tables for row in fields(table)]
    kanikos = sorted((row for row in rows if flag_of(row).kaniko), key=lambda row: row.name)
    own = sorted((row for row in rows if not flag_of(row).kaniko), key=lambda row: row.name)
    yield f"## {title}\n"
    yield _table(
        ("flag", "what it does", "beside Kaniko", "reason"),
        [(_spelled(row), _what(row), *_verdict(flag_of(row).kaniko)) for row in kanikos],
    )
    if own:
        yield "Kaniko has none of these:\n"
        yield _table(("flag", "what it does"), [(_spelled(row), _what(row)) for row in own])


def _spelled(row: Field[Any]) -> str:
    flag = flag_of(row)
    short = f"`-{flag.short}`, " if flag.short else ""
    plus = " +" if isinstance(row.default, tuple) else ""
    others = "".join(f", `--{alias}`" for alias in flag.aliases)
    value = "" if is_bool(row) else f" {flag.metavar or '|'.join(flag.choices)}"
    variable = f", `${flag.env}`" if flag.env else ""
    return f"{short}`{option_of(row)}{value}`{plus}{others}{variable}"


def _quoted(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _what(row: Field[Any]) -> str:
    text = flag_of(row).help.replace(" (repeatable)", "")
    default = default_of(row)
    return f"{text} (default `{default}`)" if default and "(default" not in text else text


def _verdict(note: str) -> tuple[str, str]:
    verdict, _, reason = note.partition(":")
    return f"**{verdict}**" if verdict != "same" else verdict, reason.strip()


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(manual())
