"""What GitLab makes of a job's log and reports, by its own rules: the other side of steps/gitlab_*.py.

lib/gitlab/ci/ansi2json (log), app/services/ci/parse_dotenv_artifact_service.rb, lib/gitlab/ci/parsers/codequality.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

_SECTION = re.compile(r"section_(start|end):(\d+):([a-zA-Z0-9_.-]+)(\[[^\]]*\])?\r\x1b\[0K")
_OTHER = re.compile(r"\x1b[@-_].*?[@-~]")
_PLAIN = re.compile(r"[^\x1b\rs]+")
_DOTENV = re.compile(r"^(.*?)=(.*)$")
_SEVERITIES = {"info", "minor", "major", "critical", "blocker"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """`lines` are what it shows when it is unfolded, its header first."""

    name: str
    start: int
    options: str
    end: int = 0
    lines: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """`sections` in the order of their ends, `outside` all lines in none; `unclosed` names those that never ended."""

    sections: list[Section]
    outside: list[str]
    unclosed: list[str]


def read_log(text: str) -> Log:
    """As the page of a job shows it: a carriage return takes back the line before it."""
    done: list[Section] = []
    stack: list[Section] = []
    outside: list[str] = []
    for line in text.split("\n"):
        position, shown = 0, ""
        while position < len(line):
            if match := _SECTION.match(line, position):
                shown = _flushed(shown, stack, outside)
                kind, when, name, options = match.groups()
                key = re.sub(r"[^a-z0-9]", "-", name.lower())
                if kind == "start":
                    stack.append(Section(name=key, start=int(when), options=options or ""))
                elif any(section.name == key for section in stack):
                    while stack:
                        last = stack.pop()
                        done.append(
                            Section(name=last.name, start=last.start, options=last.options, end=int(when), lines=last.lines)
                        )
                        if last.name == key:
                            break
            elif match := _OTHER.match(line, position):
                pass
            elif line[position] == "\r":
                shown = ""
            else:
                match = _PLAIN.match(line, position)
                shown += match[0] if match else line[position]
            position = match.end() if match else position + 1
        _flushed(shown, stack, outside)
    return Log(sections=done, outside=outside, unclosed=[section.name for section in stack])


def _flushed(shown: str, stack: list[Section], outside: list[str]) -> str:
    if shown:
        (stack[-1].lines if stack else outside).append(shown)
    return ""


def read_dotenv(text: str, *, limit: int = 20) -> dict[str, str]:
    """The variables of a dotenv report. Raises ValueError where GitLab takes none of it, or would change one."""
    if len(text.encode()) >= 5 * 1024:
        raise ValueError("5 KB or more")
    variables: dict[str, str] = {}
    for line in text.splitlines(keepends=True):
        match = _DOTENV.match(line.removesuffix("\n"))
        if match is None:
            raise ValueError(f"invalid format: {line!r}")
        key, value = match[1].strip(), match[2].strip()
        if not re.fullmatch(r"[A-Za-z0-9_]+", key) or "$" in value:
            raise ValueError(f"key or value: {line!r}")
        variables[key] = value
    if len(variables) > limit:
        raise ValueError(f"more than {limit} variables")
    return variables


def read_quality(text: str) -> list[dict[str, Any]]:
    """The issues of a code quality report. Raises ValueError for one that GitLab leaves out."""
    issues: list[dict[str, Any]] = json.loads(text)
    for issue in issues:
        location = issue["location"]
        known = issue["severity"] in _SEVERITIES and issue["description"] and issue["check_name"]
        if not known or not isinstance(location["lines"]["begin"], int) or location["path"].startswith(("/", "./", "..")):
            raise ValueError(f"not taken: {issue}")
    prints = [issue["fingerprint"] for issue in issues]
    if len(set(prints)) != len(prints):
        raise ValueError("fingerprints that aren't unique")
    return issues
