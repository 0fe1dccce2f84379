"""What a CI platform wants around parts of the log: sections to fold, and a shield between its commands and what others print."""

from __future__ import annotations

from typing import Protocol


class Decoration(Protocol):
    """Each gives whole lines to be written to the log, or an empty text. `key` is a part's own, as `stage 1/2, step 3/7`."""

    def begins(self, key: str, title: str) -> str:
        """Before the part's first line."""

    def ends(self, key: str) -> str:
        """After its last line, also when it failed."""

    def shield(self) -> tuple[str, str]:
        """Before and after what commands of the Dockerfile print, so that the platform obeys none of it."""

    def forbidden(self) -> tuple[str, ...]:
        """Words that the platform would obey in spite of the shield: what commands print has `harmless` of them instead."""

    def harmless(self, text: str) -> str:
        """A text of masu's own, which may quote others', with nothing in it that the platform would obey."""


class Bare:
    """No platform, nothing around anything."""

    def begins(self, key: str, title: str) -> str:
        return ""

    def ends(self, key: str) -> str:
        return ""

    def shield(self) -> tuple[str, str]:
        return "", ""

    def forbidden(self) -> tuple[str, ...]:
        return ()

    def harmless(self, text: str) -> str:
        return text
