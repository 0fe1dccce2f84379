"""A stage's files in the place of `/`, by renaming: the container's own entries are parked, the stage's move in, and back.

Stdlib only. Kept paths (kept.py) stay where they are, and the directories that lead to them are entered instead of moved: these
lend the stage's own mode, owner and time to the container's directory meanwhile. A journal in `home` always says what is in `/`:

- `parking`, `unparking`: nothing of the stage; what is in `parked` is the container's and belongs back;
- `occupied`: everything that isn't kept is the stage's.

It is written before the first rename of its phase, so whoever finds it knows what to do, however little or much was done.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from builder.sandbox import workdir
from builder.sandbox.kept import Kept
from builder.values import dataclass, field

_JOURNAL, _PARKED = "journal", "parked"


class Conflict(Exception):
    """The stage has something where the container has a mount point; the argument is the path."""


@dataclass(frozen=True, slots=True)
class _Metadata:
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int

    @classmethod
    def of(cls, path: str) -> _Metadata:
        status = os.stat(path)
        return cls(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_atime_ns, status.st_mtime_ns)

    def give(self, path: str) -> None:
        now = os.stat(path)
        if (now.st_uid, now.st_gid) != (self.uid, self.gid):
            os.chown(path, self.uid, self.gid)
        if stat.S_IMODE(now.st_mode) != self.mode:
            os.chmod(path, self.mode)
        os.utime(path, ns=(self.atime_ns, self.mtime_ns))


@dataclass(slots=True, kw_only=True)
class Occupation:
    """`root` is the stage's directory, `home` a directory of masu's own that is kept, both on the file system of `/`.

    `slash` is what is occupied: `/` but in tests. `hideable` are kept paths that may hide something of the stage.
    """

    root: str
    home: str
    kept: Kept
    hideable: frozenset[str] = frozenset()
    slash: str = "/"
    moved: list[str] = field(default_factory=list)  # paths relative to the root, entered directories too

    def enter(self) -> None:
        """Raises Conflict before anything has moved."""
        conflict = next(self._conflicts(self.root, "/"), None)
        if conflict:
            raise Conflict(conflict)
        ways = {way: _Metadata.of(self._at(way)) for way in sorted(self.kept.ways) if os.path.isdir(self._at(way))}
        self._write("parking", ways)
        workdir.lead_aside(self.home, self.kept)
        self._park("/")
        self._write("occupied", ways)
        self._move_in(self.root, "/")

    def leave(self) -> None:
        """Put everything back; also after an `enter` that failed half-way."""
        journal = read_journal(self.home)
        if journal is None:
            return
        if journal["phase"] == "occupied":
            self._move_out("/", self.root, stage_has=True)
            self._write("unparking", {way: _Metadata(*values) for way, values in journal["ways"].items()})
        self._unpark(f"{self.home}/{_PARKED}", "/")
        for way, values in journal["ways"].items():
            _Metadata(*values).give(self._at(way))
        workdir.lead_back(self.home)
        os.unlink(f"{self.home}/{_JOURNAL}")

    def _at(self, path: str) -> str:
        return path if self.slash == "/" else self.slash + path

    def _write(self, phase: str, ways: dict[str, _Metadata]) -> None:
        """Replace the journal in one step."""
        values = {way: [item.mode, item.uid, item.gid, item.atime_ns, item.mtime_ns] for way, item in ways.items()}
        kept = sorted(self.kept.paths)
        with open(f"{self.home}/{_JOURNAL}.new", "w", encoding="utf-8", errors="surrogateescape") as file:
            json.dump({"phase": phase, "root": self.root, "kept": kept, "ways": values}, file)
        os.rename(f"{self.home}/{_JOURNAL}.new", f"{self.home}/{_JOURNAL}")

    def _conflicts(self, directory: str, path: str) -> Iterator[str]:
        """Kept paths that would hide something of the stage; a way that is no directory there."""
        for name in os.listdir(directory):
            below, inside = f"{directory}/{name}", os.path.join(path, name)
            if inside in self.kept.paths and inside not in self.hideable:
                yield inside
            elif inside in self.kept.ways:
                if os.path.isdir(below) and not os.path.islink(below):
                    yield from self._conflicts(below, inside)
                else:
                    yield inside

    def _park(self, path: str) -> None:
        """Move what isn't kept out of the way."""
        parked = f"{self.home}/{_PARKED}{path.rstrip('/')}"
        os.makedirs(parked, exist_ok=True)
        for name in os.listdir(self._at(path)):
            inside = os.path.join(path, name)
            if inside in self.kept.ways:
                self._park(inside)
            elif inside not in self.kept.paths:
                self._move(self._at(inside), f"{parked}/{name}")

    def _unpark(self, parked: str, path: str) -> None:
        """The directories of `parked` that are ways hold only what was parked from there; all others are whole entries."""
        if not os.path.isdir(parked):
            return
        for name in os.listdir(parked):
            inside = os.path.join(path, name)
            if inside in self.kept.ways:
                self._unpark(f"{parked}/{name}", inside)
            else:
                self._move(f"{parked}/{name}", self._at(inside))
        os.rmdir(parked)

    def _move_in(self, directory: str, path: str) -> None:
        metadata = _Metadata.of(directory)
        for name in os.listdir(directory):
            inside = os.path.join(path, name)
            if inside in self.kept.ways:
                self._move_in(f"{directory}/{name}", inside)
            elif inside not in self.kept.paths:
                os.rename(f"{directory}/{name}", self._at(inside))
                self.moved.append(inside.lstrip("/"))
        metadata.give(self._at(path))
        metadata.give(directory)
        self.moved.append(path.lstrip("/"))

    def _move_out(self, path: str, directory: str, *, stage_has: bool) -> None:
        """Move what isn't kept to the stage, and what has become of the directory that leads to it."""
        metadata = _Metadata.of(self._at(path))
        for name in sorted(os.listdir(self._at(path))):
            inside = os.path.join(path, name)
            if inside in self.kept.ways:
                below = f"{directory}/{name}"
                self._move_out(inside, below, stage_has=stage_has and os.path.isdir(below))
            elif inside not in self.kept.paths:
                os.makedirs(directory, exist_ok=True)
                os.rename(self._at(inside), f"{directory}/{name}")
        if stage_has:
            metadata.give(directory)

    def _move(self, source: str, target: str) -> None:
        """Rename, or move entry by entry a directory of a lower layer, which overlayfs doesn't rename (EXDEV)."""
        try:
            os.rename(source, target)
            return
        except OSError as error:
            merges = error.errno in (errno.ENOTEMPTY, errno.EEXIST)  # such a move was cut off before
            if not (merges or error.errno == errno.EXDEV) or os.path.islink(source) or not os.path.isdir(source):
                raise
        metadata = _Metadata.of(source)
        if not merges:
            self._make(target, metadata)
        for name in os.listdir(source):
            self._move(f"{source}/{name}", f"{target}/{name}")
        os.rmdir(source)
        metadata.give(target)

    def _make(self, path: str, metadata: _Metadata) -> None:
        """In one step: a directory found after a kill always has the metadata that it shall have."""
        fresh = f"{self.home}/fresh"
        with suppress(FileNotFoundError):
            os.rmdir(fresh)
        os.mkdir(fresh)
        metadata.give(fresh)
        os.rename(fresh, path)


def read_journal(home: str) -> dict[str, Any] | None:
    """What an occupation has left behind, or nothing."""
    try:
        with open(f"{home}/{_JOURNAL}", encoding="utf-8", errors="surrogateescape") as file:
            journal: dict[str, Any] = json.load(file)
    except FileNotFoundError:
        return None
    return journal
