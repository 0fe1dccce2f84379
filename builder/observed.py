"""What steps read that the build doesn't make itself: the digest of it, and whether that still is what is there.

The build context is somebody else's directory. Keys are made of it when a build begins, and it is read when its steps are carried
out; what has been written there in between is in their layers then, and not in their keys.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping

from builder.errors import BuilderError
from builder.ops import Location
from builder.readings import Reading
from builder.rootfs import SourceTree
from builder.rootfs.fingerprint import Fingerprint

log = logging.getLogger(__name__)

_MOST_NAMES = 3


class Observed:
    """`tree` has the files of a reading. Threads share it."""

    def __init__(self, tree: Callable[[Reading], SourceTree]) -> None:
        self._tree = tree
        self._known: dict[object, Fingerprint] = {}

    def fingerprint(self, reading: Reading) -> Fingerprint:
        """As it was when it was asked for first; the same files are often read in several stages."""
        what = reading.source, json.dumps(reading.selection, sort_keys=True)
        found = self._known.get(what)
        if found is None:
            found = self._known[what] = reading.fingerprint(self._tree(reading))
        return found

    def has_changed(self, reading: Reading, location: Location) -> bool:
        """Whether anything has been written there since `fingerprint` was asked for, even if it is the same again.

        The user is told. It costs little where no file was touched.
        """
        before, after = self.fingerprint(reading), dict[str, str]()
        try:
            if reading.look(self._tree(reading)) == before.look:
                return False
            now = reading.fingerprint(self._tree(reading))
            if now == before and now.look.written == before.look.written:
                return False
            after = dict(now.entries)
        except (BuilderError, OSError) as error:
            log.debug("%s: can't read the same again: %s", location, error)
        _tell(before.entries, after, location)
        return True


def _tell(before: Mapping[str, str], after: Mapping[str, str], location: Location) -> None:
    names = [path for path in sorted({*before, *after}) if before.get(path) != after.get(path)]
    shown = ", ".join(names[:_MOST_NAMES]) or "what it reads"
    log.warning("%s: %s changed while the build went on: what is made of that is not kept in the cache", location, shown)
