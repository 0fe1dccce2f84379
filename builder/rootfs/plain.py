"""A Rootfs in a plain directory: changes are found by scanning it before and after."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from builder.errors import RootfsError
from builder.image.digest import Digest
from builder.image.growing import Send
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER_GZIP, MediaType
from builder.ops import Copy, MakeDir
from builder.rootfs import paths
from builder.rootfs.combined import Lookup
from builder.rootfs.copy import copy_into
from builder.rootfs.make_dir import make_dir
from builder.rootfs.mountpoints import mountpoints
from builder.rootfs.owner import Owners
from builder.rootfs.pack import write_layer
from builder.rootfs.sources import SourceTree
from builder.rootfs.taking import Taking
from builder.rootfs.tree import Changes, Entry, diff, look, scan, settle
from builder.rootfs.unpack import Record, apply_layer, unrecorded
from builder.rootfs.users import Identity, lookup_user


class PlainRootfs:
    """The directory is made if missing; the one above must be on the same filesystem and writable: it is scratch space.

    `owners` are another's on that filesystem, for a tree that becomes part of its own.
    """

    def __init__(self, path: Path, owners: Owners | None = None, *, is_outline: bool = False) -> None:
        self.path = path
        self.is_outline = is_outline
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
        self.owners = owners or Owners(path.parent)
        self._tree: dict[str, Entry] | None = None
        self._is_current = False  # nothing has changed since _tree was scanned

    def unpack(self, layer: BinaryIO, *, diff_id: Digest | None = None, record: Record = unrecorded) -> None:
        self._is_current = False
        with paths.opened_root(self.path) as root_fd:
            apply_layer(
                root_fd,
                layer,
                self.owners,
                diff_id=diff_id,
                outline=self.is_outline,
                sharing=self.is_outline,
                record=record,
            )

    def remember(self) -> Lookup:
        tree = self._current()
        return {path: stat.S_IFMT(entry.mode) for path, entry in tree.items()}.get

    def snapshot(self) -> None:
        self._tree = self._current()
        self._is_current = False
        settle(self._tree, self.path.parent)

    def diff(self, *, ignoring_ctime: Collection[str] = ()) -> Changes:
        if self._tree is None:
            raise RootfsError("there is no snapshot to compare with")
        new = self._scan()
        changes = diff(self._tree, new, ignoring_ctime=ignoring_ctime)
        self._tree, self._is_current = new, True
        return changes

    def copy(self, op: Copy, source: SourceTree, *, leave: bool = False) -> Changes:
        self._is_current = False
        with paths.opened_root(self.path) as root_fd:
            changes = copy_into(root_fd, op, source, self.owners, outline=self.is_outline, leave=leave)
        if source.taking:
            source.taking.finish(self.path)
        return changes

    def make_dir(self, op: MakeDir) -> Changes:
        self._is_current = False
        with paths.opened_root(self.path) as root_fd:
            return make_dir(root_fd, op, self.owners, outline=self.is_outline)

    def pack(
        self,
        changes: Changes,
        *,
        to: Path,
        media_type: MediaType = OCI_LAYER_GZIP,
        level: int | None = None,
        newest: int | None = None,
        send: Send | None = None,
    ) -> Layer:
        with paths.opened_root(self.path) as root_fd:
            return write_layer(root_fd, changes, self.owners, to=to, media_type=media_type, level=level, newest=newest, send=send)

    def user(self, name: str) -> Identity:
        with paths.opened_root(self.path) as root_fd:
            return lookup_user(root_fd, name)

    @contextmanager
    def mountpoints(self, wanted: Mapping[str, bool]) -> Iterator[dict[str, str]]:
        with mountpoints(self.path, wanted) as found:
            self._look_again(found.made)
            yield dict(found.places)
        self._look_again(found.made)

    def as_source(self, *, for_good: bool = False) -> SourceTree:
        taking = Taking(lambda path: self.path, release=lambda: None) if for_good else None
        return SourceTree(path=self.path, owners=self.owners, taking=taking)

    def remove(self) -> None:
        self._tree = None
        try:
            with paths.opened_root(self.path.parent) as parent_fd:
                paths.remove(parent_fd, self.path.name)
        except OSError as error:
            raise RootfsError(f"can't delete {str(self.path)!r}: {error.strerror or error}") from error

    def _look_again(self, made: Collection[str]) -> None:
        """Bring the tree up to date after masu itself has made or removed these paths: cheaper than a scan of everything."""
        if self._tree is None:
            return
        with paths.opened_root(self.path) as root_fd:
            for path in {*made, *(paths.split(path)[0] for path in made)}:
                entry = look(root_fd, path, self.owners)
                if entry is None:
                    self._tree.pop(path, None)
                else:
                    self._tree[path] = entry

    def _current(self) -> dict[str, Entry]:
        if self._tree is None or not self._is_current:
            self._tree, self._is_current = self._scan(), True
        return self._tree

    def _scan(self) -> dict[str, Entry]:
        try:
            with paths.opened_root(self.path) as root_fd:
                return scan(root_fd, self.owners)
        except OSError as error:
            raise RootfsError(f"can't read {error.filename!r}: {error.strerror or error}") from error
