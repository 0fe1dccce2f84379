"""What GitHub's runner makes of a step's log and files, by its own rules (ActionCommand.cs, FileCommandManager.cs)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_COMMANDS = frozenset(
    {"group", "endgroup", "debug", "notice", "warning", "error", "add-mask", "add-matcher", "remove-matcher", "echo"}
    | {"stop-commands", "set-env", "add-path", "set-output", "save-state"}
)
_ESCAPES = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Obeyed:
    """One command that the runner carries out."""

    name: str
    data: str
    properties: Mapping[str, str] = field(default_factory=dict)


def obeyed(log: str) -> list[Obeyed]:
    """The commands in a log. What stands after `stop-commands` is none until its word comes as one."""
    found, word = list[Obeyed](), ""
    for line in _LINE_ENDS.split(log):
        parsed = _parsed(line, {*_COMMANDS, word} - {""})
        if parsed is None:
            continue
        if word:
            word = "" if parsed.name == word else word
            continue
        if parsed.name == "stop-commands":
            word = parsed.data
            assert word not in ("", "pause-logging", *_COMMANDS), f"the runner refuses the word {word!r}"
        found.append(parsed)
    return found


def _parsed(line: str, known: set[str]) -> Obeyed | None:
    """`::name k=v,k=v::data` where a line begins, or the older `##[name k=v;k=v]data` anywhere."""
    start = line.lstrip()
    if start.startswith("::") and (end := start.find("::", 2)) >= 0:
        head, data, separator = start[2:end], start[end + 2 :], ","
    elif (start := line[line.find("##[") :]) and "##[" in line and (end := start.find("]")) >= 0:
        head, data, separator = start[3:end], start[end + 1 :], ";"
    else:
        return None
    name, _, rest = head.partition(" ")
    if name not in known:
        return None
    pairs = (part.strip().partition("=") for part in rest.split(separator) if "=" in part)
    return Obeyed(name=name, data=_plain(data), properties={key: _plain(value) for key, _, value in pairs})


def _plain(text: str) -> str:
    for escape, char in _ESCAPES:
        text = text.replace(escape, char)
    return text


def outputs(text: str) -> dict[str, str]:
    """The values in the file of $GITHUB_OUTPUT; raises ValueError where the runner fails the step."""
    lines, found = iter(text.split("\n")), dict[str, str]()
    if text and not text.endswith("\n"):
        raise ValueError("the last line has no end")
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line[:equals], line[equals + 1 :]
        elif heredoc >= 0:
            name, value = line[:heredoc], "\n".join(_until(line[heredoc + 2 :], lines))
        else:
            raise ValueError(f"invalid format {line!r}")
        if not name:
            raise ValueError(f"no name in {line!r}")
        found[name] = value
    return found


def _until(delimiter: str, lines: Iterator[str]) -> Iterator[str]:
    if not delimiter:
        raise ValueError("no delimiter")
    for line in lines:
        if line == delimiter:
            return
        yield line
    raise ValueError(f"matching delimiter not found: {delimiter!r}")
