"""The digest of what a Copy op or a mount reads: everything that the result can depend on, and nothing else.

Names, kinds, modes, owners, contents, link targets, attributes, devices, and which names are one file. No times, no inodes.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from posixpath import basename

from builder.image.digest import Digest
from builder.ops import Copy
from builder.rootfs import paths
from builder.rootfs.owner import Truth
from builder.rootfs.selection import chosen
from builder.rootfs.sources import Found, SourceTree, View, found, named
from builder.values import dataclass, field

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SMALL = 1 << 18
"""Bytes of a file that is hashed at once, and of a piece of a larger one."""

_THREADS = 4
_MOST_ENTRIES = 2000
_SHORT = 16
"""Hexadecimal digits that tell an entry from what it was before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is seen of files from outside: `written` is other once one has been written to, whatever is in it now, `touched` if it
    was at least renamed, linked or the like.
    """

    written: str
    touched: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """`entries`, path → digits that change with it, are for people; of a large tree there are none. `look` is that of then."""

    digest: Digest
    entries: Mapping[str, str] = field(default_factory=dict, compare=False)
    look: Look = field(compare=False)


def fingerprint(op: Copy, source: SourceTree, *, but: Collection[str] = ()) -> Fingerprint:
    """Of all that `op` takes of `source`; those of its paths that are in `but` come from elsewhere.

    Raises ContextError for a source that isn't there, OSError for one that can't be read.
    """
    with _walking(source) as walk:
        walk.add_all(op, but)
        return walk.fingerprint()


def looked_at(op: Copy, source: SourceTree, *, but: Collection[str] = ()) -> Look:
    """What `fingerprint` would have as `look`, without reading any file. Raises as that."""
    with _walking(source, reads=False) as walk:
        walk.add_all(op, but)
        return walk.look()


def fingerprint_of(path: str, source: SourceTree) -> Fingerprint:
    """Of the file or directory at `path` with all below it, as a mount shows it. Raises as `fingerprint`."""
    with _walking(source) as walk:
        walk.add(0, named(walk.view, path), is_shown=True)
        return walk.fingerprint()


def look_at(path: str, source: SourceTree) -> Look:
    """What `fingerprint_of` would have as `look`, without reading any file. Raises as that."""
    with _walking(source, reads=False) as walk:
        walk.add(0, named(walk.view, path), is_shown=True)
        return walk.look()


@contextmanager
def _walking(source: SourceTree, *, reads: bool = True) -> Iterator[_Walk]:
    threads = min(_THREADS, len(os.sched_getaffinity(0)))
    with paths.opened_root(source.path) as fd, ThreadPoolExecutor(threads, thread_name_prefix="fingerprint") as pool:
        yield _Walk(View(fd=fd, tree=source), pool, ahead=2 * threads, reads=reads)


class _Walk:
    """Notes every entry in order; large files are hashed in the threads of `pool`, at most `ahead` of them open at a time.

    Unless it `reads` it only looks at them.
    """

    def __init__(self, view: View, pool: ThreadPoolExecutor, *, ahead: int, reads: bool) -> None:
        self.view = view
        self._pool = pool
        self._ahead = ahead
        self._reads = reads
        self._written = hashlib.sha256()
        self._touched = hashlib.sha256()
        self._notes: list[str | Future[str]] = []
        self._names: list[str] = []
        self._top = ""
        self._open: list[Future[str]] = []

    def add_all(self, op: Copy, but: Collection[str]) -> None:
        """What the op takes, but for those of its paths."""
        for number, path in enumerate(path for path in op.paths if path not in but):
            for item in found(self.view, op, path):
                self.add(number, item, is_shown=False)

    def add(self, number: int, item: Found, *, is_shown: bool) -> None:
        """One source of the op's argument with this number; `is_shown`: a directory is seen itself, not only what is in it."""
        is_directory = stat.S_ISDIR(item.status.st_mode)
        self._top = item.path
        name = is_directory or basename(item.path)  # of a directory the content is taken
        self._add("", _line(("source", number, name)))
        links: dict[tuple[int, int], str] = {}
        if not is_directory:
            parent, name = paths.split(item.place)
            with paths.opened(paths.open_strict(self.view.fd, parent)) as fd:
                self._entry(fd, name, "", item.status, links)
            return
        if is_shown:
            parent, own_name = paths.split(item.place) if item.place else ("", ".")
            with paths.opened(paths.open_strict(self.view.fd, parent)) as fd:
                self._subdirectory(fd, own_name, "", item.status, is_taken=True)
        everything = item.selection.is_everything
        wanted = None if everything else chosen(self.view.fd, item.place, item.selection, exists=self.view.exists)
        pending = [""]
        while pending:
            pending += self._directory(item.place, pending.pop(), wanted, links)

    def fingerprint(self) -> Fingerprint:
        hasher, entries = hashlib.sha256(), dict[str, str]()
        for name, note in zip(self._names, self._notes, strict=True):
            line = (note if isinstance(note, str) else note.result()).encode()
            hasher.update(line)
            if len(self._notes) <= _MOST_ENTRIES:
                before = entries.get(name, "").encode()  # a source is noted before its content
                entries[name] = hashlib.sha256(before + line).hexdigest()[:_SHORT]
        return Fingerprint(digest=Digest(algorithm="sha256", hex=hasher.hexdigest()), entries=entries, look=self.look())

    def look(self) -> Look:
        return Look(written=self._written.hexdigest(), touched=self._touched.hexdigest())

    def _directory(self, top: str, path: str, wanted: Mapping[str, bool] | None, links: dict[tuple[int, int], str]) -> list[str]:
        """Note what is in it; returns the directories there."""
        found = []
        with paths.opened(paths.open_strict(self.view.fd, paths.join(top, path) if path else top)) as fd:
            for name in sorted(os.listdir(fd)):
                below = paths.join(path, name)
                if not self.view.exists(paths.join(top, below)) or (wanted is not None and below not in wanted):
                    continue
                status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    found.append(below)
                    self._subdirectory(fd, name, below, status, is_taken=wanted is None or wanted[below])
                else:
                    self._entry(fd, name, below, status, links)
        return found[::-1]

    def _subdirectory(self, dir_fd: int, name: str, path: str, status: os.stat_result, *, is_taken: bool) -> None:
        self._written.update(repr((path, status.st_mode, status.st_ino)).encode())  # its times change with what isn't taken
        if not self._reads:
            return
        with paths.opened(os.open(name, _READ | os.O_DIRECTORY, dir_fd=dir_fd)) as fd:
            self._note(path, is_taken, *self._truth(status, name, dir_fd), self._xattrs(fd, status))

    def _entry(self, dir_fd: int, name: str, path: str, status: os.stat_result, links: dict[tuple[int, int], str]) -> None:
        """One that isn't a directory."""
        self._written.update(repr((path, status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns)).encode())
        self._touched.update(b"%d " % status.st_ctime_ns)
        if not self._reads:
            return
        if status.st_nlink > 1 and stat.S_ISREG(status.st_mode):
            first = links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                self._note(path, "is", first)
                return
        truth = self._truth(status, name, dir_fd)
        if stat.S_ISREG(status.st_mode):
            self._file(dir_fd, name, path, status, truth)
        else:
            target = os.readlink(name, dir_fd=dir_fd) if stat.S_ISLNK(status.st_mode) else ""
            self._note(path, *truth, target)

    def _file(self, dir_fd: int, name: str, path: str, status: os.stat_result, truth: Truth) -> None:
        fd = os.open(name, _READ, dir_fd=dir_fd)
        try:
            head = [path, *truth, self._xattrs(fd, status)]
            if status.st_size > _SMALL:
                self._later(fd, head)
                fd = -1
            else:
                self._note(*head, _hash_of(fd))
        finally:
            if fd >= 0:
                os.close(fd)

    def _later(self, fd: int, head: list[object]) -> None:
        if len(self._open) >= self._ahead:
            self._open.pop(0).result()
        future = self._pool.submit(_hashed, fd, head)
        self._open.append(future)
        self._add(str(head[0]), future)

    def _note(self, *what: object) -> None:
        self._add(str(what[0]), _line(what))

    def _add(self, path: str, note: str | Future[str]) -> None:
        self._notes.append(note)
        self._names.append(paths.join(self._top, path) if path else self._top)

    def _truth(self, status: os.stat_result, name: str, dir_fd: int) -> Truth:
        return self.view.tree.truth(status, name, dir_fd=dir_fd)

    def _xattrs(self, fd: int, status: os.stat_result) -> list[tuple[str, str]]:
        return [(name, value.hex()) for name, value in self.view.tree.xattrs(fd, status)]


def _line(what: object) -> str:
    """Unambiguous: JSON escapes quotes, line ends and bytes that aren't UTF-8."""
    return json.dumps(what) + "\n"


def _hashed(fd: int, head: list[object]) -> str:
    with paths.opened(fd):
        return _line([*head, _hash_of(fd)])


def _hash_of(fd: int) -> str:
    hasher = hashlib.sha256()
    while piece := os.read(fd, _SMALL):
        hasher.update(piece)
    return hasher.hexdigest()
