"""How the failure of one stage ends the others that are being built at the same time."""

from __future__ import annotations

import threading


class Cancelled(Exception):
    """Something else has failed, so that there is no use in going on; whoever set the Cancel knows what."""


class Cancel:
    """Set by one thread; looked at by all others wherever they would wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def reset(self) -> None:
        """All that it was to end has ended, and something else begins."""
        self._event.clear()

    def check(self) -> None:
        """Raises Cancelled once it is set."""
        if self._event.is_set():
            raise Cancelled
