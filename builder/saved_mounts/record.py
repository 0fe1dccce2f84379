"""What a directory on this machine looked like when it was restored or saved last: so a later change is seen without reading."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from builder.errors import ImageError
from builder.image.descriptor import Descriptor
from builder.image.digest import Digest
from builder.rootfs import Owners, paths
from builder.rootfs.owner import Truth
from builder.rootfs.tree import Entry, Tree, scan
from builder.rootfs.unpack import WHITEOUT
from builder.saved_mounts.content import Content, File, Pack
from builder.values import dataclass, field

log = logging.getLogger(__name__)

_SCHEMA = 1

Owner = tuple[int, int, int]
"""Mode, user and group of a directory: its times change whenever anything in it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`content` is what is saved at `place`. Files that were left out of it, for they were too much, have entries, too.

    `read_since` (nanoseconds since the epoch): whoever has read a file later was no restore and no save.
    """

    place: str
    content: Content = field(default_factory=Content)
    entries: Tree = field(default_factory=dict)
    directories: Mapping[str, Owner] = field(default_factory=dict)
    read_since: int = 0

    @classmethod
    def of(cls, tree: Tree, *, place: str, content: Content, read_since: int) -> Record:
        """Of a scanned tree, all of which is saved in `content` or was left out on purpose."""
        return cls(place=place, content=content, entries=files_of(tree), directories=directories_of(tree), read_since=read_since)

    def teach(self, root_fd: int, owners: Owners) -> None:
        """Tell `owners`, who know only what the kernel has stored, whose files these are, and their modes: as far as none has
        changed since.
        """
        for path, entry in scan(root_fd, owners).items():
            known = self._known(path, entry)
            if known is not None and known != (entry.mode, entry.uid, entry.gid):
                with paths.find(root_fd, path, follow=False) as spot:
                    owners.record(spot.name, Truth(*known, rdev=0), dir_fd=spot.dir_fd)

    def _known(self, path: str, entry: Entry) -> Owner | None:
        if stat.S_ISDIR(entry.mode):
            return self.directories.get(path)
        known = self.entries.get(path)
        if known is None or (known.inode, known.ctime_ns, known.size) != (entry.inode, entry.ctime_ns, entry.size):
            return None
        return (known.mode, known.uid, known.gid)

    def write(self, path: Path) -> None:
        """Replace the file at `path`: a line of JSON for what there is one of, and one for each file, for there may be many."""
        content = self.content
        head = {
            "schema": _SCHEMA,
            "place": self.place,
            "layers": [[pack.descriptor.to_json(), str(pack.diff_id), pack.size] for pack in content.layers],
            "dead": sorted(content.dead),
            "directories": self.directories,
            "read_since": self.read_since,
        }
        new = path.with_name(path.name + ".new")
        with new.open("w", encoding="ascii") as out:
            out.write(json.dumps(head) + "\n")
            for name, entry in self.entries.items():
                out.write(json.dumps([name, *entry, *content.files.get(name, ())]) + "\n")
        new.replace(path)

    @classmethod
    def read(cls, path: Path, *, place: str) -> Record:
        """The record in the file; an empty one when there is none, or it is of another place."""
        try:
            with path.open(encoding="ascii") as lines:
                head: Any = json.loads(next(lines))
                if head["schema"] == _SCHEMA and head["place"] == place:
                    return cls._parsed(head, lines)
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError, StopIteration, RecursionError, ImageError) as error:
            log.debug("the record %s can't be read and is forgotten: %s", path, error)
        return cls(place=place)

    @classmethod
    def _parsed(cls, head: Any, lines: Iterable[str]) -> Record:
        packs = [
            Pack(descriptor=Descriptor.from_json(one), diff_id=Digest.parse(two), size=size) for one, two, size in head["layers"]
        ]
        names = {pack.descriptor.digest.hex: pack.descriptor.digest.hex for pack in packs}  # each text once in memory
        entries, files, width = {}, {}, len(Entry._fields)
        for name, *facts in map(json.loads, lines):
            entries[name] = Entry(*facts[:width])
            if saved := facts[width:]:
                files[name] = File(names[saved[0]], saved[1])
        content = Content(
            packs={pack.descriptor.digest.hex: pack for pack in packs[:-1]},
            directories=packs[-1] if packs else None,
            files=files,
            dead=frozenset((name, pack) for name, pack in head["dead"]),
        )
        return cls(
            place=head["place"],
            content=content,
            entries=entries,
            directories={name: (mode, uid, gid) for name, (mode, uid, gid) in head["directories"].items()},
            read_since=head["read_since"],
        )


def files_of(tree: Tree) -> dict[str, Entry]:
    """What is saved of a tree beside its directories: no sockets, and no names that mean deletions in a layer."""
    return {
        path: entry
        for path, entry in tree.items()
        if not stat.S_ISDIR(entry.mode) and not stat.S_ISSOCK(entry.mode) and not _is_unsayable(path)
    }


def directories_of(tree: Tree) -> dict[str, Owner]:
    """Its directories, the root as the empty path."""
    return {
        path: (entry.mode, entry.uid, entry.gid)
        for path, entry in tree.items()
        if stat.S_ISDIR(entry.mode) and not _is_unsayable(path)
    }


def _is_unsayable(path: str) -> bool:
    return WHITEOUT in path and any(name.startswith(WHITEOUT) for name in path.split("/"))
