"""The runner's formats: workflow commands in the log (actions/runner, ActionCommand.cs), and the file of $GITHUB_OUTPUT."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable

_LINE_START = re.compile(r"((?:^|[\r\n\u0085\u2028\u2029])\s*):(?=:)")
_TITLE = 200  # characters


def command(name: str, data: str = "", **properties: str | int) -> str:
    """A line that the runner obeys; properties that are empty or 0 are left out."""
    given = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items() if value)
    return f"::{name}{' ' if given else ''}{given}::{_data(data)}\n"


def mask(value: str) -> str:
    """From now on the value, and each line of it, is shown as stars."""
    return command("add-mask", value)


def output(name: str, value: str) -> str:
    """A value of the step, as the file has it. The delimiter is made of the value, so that no value can have its own in it."""
    delimiter = f"masu_{hashlib.sha256(value.encode(errors='replace')).hexdigest()}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def harmless(text: str) -> str:
    """A text in which the runner sees no command: it looks for `::` where a line begins, and for `##[` anywhere."""
    return _LINE_START.sub(r"\1\\:", text).replace("##[", "## [")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class Groups:
    """A group that can be folded for each instruction; while a command prints, the runner obeys nothing but a random word."""

    def __init__(self, token: Callable[[], str] = lambda: os.urandom(32).hex()) -> None:
        self._token = token

    def begins(self, key: str, title: str) -> str:
        first = title.splitlines()[0] if title else ""
        return command("group", f"[{key}] {first[:_TITLE]}{'…' if len(first) > _TITLE or first != title else ''}")

    def ends(self, key: str) -> str:
        return command("endgroup")

    def shield(self) -> tuple[str, str]:
        word = self._token()
        return command("stop-commands", word), command(word)

    def harmless(self, text: str) -> str:
        return harmless(text)

    def forbidden(self) -> tuple[str, ...]:
        return ()
