"""What of a directory is saved, and in which packs: least recently used goes first, unchanged stays where it is. No I/O."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

from builder.rootfs.tree import Entry
from builder.saved_mounts.content import ENTRY, Content, File
from builder.values import dataclass

PACK = 16 << 20
"""Bytes of the files in one pack; a larger file has a pack of its own."""

_SMALL = PACK // 4
_MOST_SMALL = 16
_SHARE = 20
"""A directory is kept or dropped as a whole unless it is more than this part of what may be kept: programs trust a directory
that they have once unpacked, and would miss a single file of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`files` stay in the packs that have them; each group is to be a pack (→ what its files count); `dropped` aren't saved."""

    files: Mapping[str, File]
    sizes: Mapping[tuple[str, ...], int]
    dropped: frozenset[str]

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        return tuple(self.sizes)


def size_of(entry: Entry) -> int:
    """What a file counts, in bytes."""
    return entry.size + ENTRY


def least_used(entries: Mapping[str, Entry], used: Mapping[str, int], *, limit: int) -> frozenset[str]:
    """What has to go so that the rest counts at most `limit` bytes."""
    excess = sum(map(size_of, entries.values())) - limit
    if excess <= 0:
        return frozenset()
    dropped: set[str] = set()
    units = _units(entries, most=limit // _SHARE)
    for _, paths in sorted((max(used[path] for path in paths), paths) for paths in units):
        if excess <= 0:
            break
        excess -= sum(size_of(entries[path]) for path in paths)
        dropped.update(paths)
    return frozenset(dropped)


def _units(entries: Mapping[str, Entry], *, most: int) -> list[list[str]]:
    """The files in groups: all of the topmost directories that count at most `most` bytes, and the others alone."""
    sizes: defaultdict[str, int] = defaultdict(int)
    for path, entry in entries.items():
        for parent in parents(path):
            sizes[parent] += size_of(entry)
    units: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(entries):
        units[next((parent for parent in parents(path) if sizes[parent] <= most), path)].append(path)
    return list(units.values())


def parents(path: str) -> Iterator[str]:
    """The directories above, from the topmost on, without the root."""
    end = path.find("/")
    while end > 0:
        yield path[:end]
        end = path.find("/", end + 1)


def choose(entries: Mapping[str, Entry], saved: Content, unchanged: Collection[str], dropped: frozenset[str]) -> Choice:
    """What goes where. `unchanged` are the paths that are as `saved` has them, if it has them.

    A pack that is more than half dead is written anew, and so are small packs when there are many.
    """
    files = {path: saved.files[path] for path in unchanged if path in saved.files and path not in dropped}
    live: defaultdict[str, int] = defaultdict(int)
    for path, file in files.items():
        live[file.pack] += size_of(entries[path])
    small = [name for name, size in live.items() if size < _SMALL]
    rewritten = {name for name, size in live.items() if size * 2 < saved.packs[name].size}
    if len(small) > _MOST_SMALL:
        rewritten.update(small)
    kept = {path: file for path, file in files.items() if file.pack not in rewritten}
    packed = {path: entry for path, entry in entries.items() if path not in kept and path not in dropped}
    sizes = dict(_groups(packed))
    return Choice(files=kept, sizes=sizes, dropped=dropped)


def _groups(entries: Mapping[str, Entry]) -> Iterator[tuple[tuple[str, ...], int]]:
    """In the order of their names, about PACK bytes in each, and how many; the names of one file stay together."""
    by_inode: defaultdict[int, list[str]] = defaultdict(list)
    for path in sorted(entries):
        by_inode[entries[path].inode].append(path)
    group: list[str] = []
    size = 0
    for names in by_inode.values():
        more = sum(size_of(entries[name]) for name in names)
        if group and size + more > PACK:
            yield tuple(group), size
            group, size = [], 0
        group += names
        size += more
    if group:
        yield tuple(group), size


def deleted(entries: Collection[str], directories: Collection[str], dead: Collection[tuple[str, str]]) -> tuple[str, ...]:
    """What packs have and isn't there now: the topmost of each, sorted."""
    found = set()
    for path, _ in dead:
        if path in entries or path in directories:
            continue
        top = path
        while (parent := os.path.dirname(top)) and parent not in directories:
            top = parent
        if top not in entries:  # else a file took the directory's place, and hides it by itself
            found.add(top)
    return tuple(sorted(found))
