"""A Rootfs on overlayfs: unpacked layers below, and for each op a new upper directory, which is all that has to be looked at.

The layers that it makes are those that a plain directory gives; docs/differences.md tells what can't be told apart.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from builder.errors import RootfsError
from builder.image.digest import Digest, chain_ids
from builder.image.growing import Send
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER_GZIP, MediaType
from builder.ops import Copy, MakeDir
from builder.rootfs import paths
from builder.rootfs.combined import Lookup, look_up
from builder.rootfs.copy import copy_into
from builder.rootfs.layer_trees import OUTLINE, LayerTrees
from builder.rootfs.links import Links, linked_among
from builder.rootfs.make_dir import make_dir
from builder.rootfs.mountpoints import mountpoints
from builder.rootfs.overlay_diff import compare
from builder.rootfs.owner import Owners
from builder.rootfs.pack import write_layer
from builder.rootfs.sources import SourceTree
from builder.rootfs.stack import Mounter, Stack
from builder.rootfs.taking import Taking, lone
from builder.rootfs.tree import Changes
from builder.rootfs.unpack import apply_layer
from builder.rootfs.users import Identity, lookup_user
from builder.state import remove_tree


class OverlayRootfs:
    """Made of `lowers` (topmost first) and the groups of `links` in them, in the new directory `directory`.

    It is mounted until `remove` or `close`. Between two ops the upper directory is empty.
    """

    def __init__(
        self,
        directory: Path,
        mounter: Mounter,
        *,
        lowers: Sequence[Path] = (),
        links: Iterable[Iterable[str]] = (),
        is_outline: bool = False,
    ) -> None:
        self._directory = directory
        self._mounter = mounter
        self._stack: Stack | None = Stack(directory, mounter, lowers)
        self.path = self._stack.path
        self.is_outline = is_outline
        self.owners = Owners(directory)
        self._links = Links(links)
        self._is_written = False  # something may be in the upper directory
        self._has_children = False
        self._remembered: list[Path] = []

    @classmethod
    def of(
        cls, directory: Path, mounter: Mounter, layers: Iterable[Layer], trees: LayerTrees, *, outline: bool = False
    ) -> OverlayRootfs:
        """With these layers, unpacked unless they are; where an `outline` is enough, outlines of those that aren't."""
        lowers, links = _unpacked(layers, trees, mounter, outline=outline)
        return cls(directory, mounter, lowers=lowers, links=links, is_outline=outline)

    def child(self, directory: Path) -> OverlayRootfs:
        """Another one that begins with the same files, and lives no longer; nothing may be done to this one any more."""
        self._has_children = True
        lowers, links = self._mounted.lowers, self._links.groups
        return OverlayRootfs(directory, self._mounter, lowers=lowers, links=links, is_outline=self.is_outline)

    @property
    def depth(self) -> int:
        """How many lower directories it has."""
        return len(self._mounted.lowers)

    def unpack(self, layer: BinaryIO, *, diff_id: Digest | None = None) -> None:
        with self._writing() as root_fd:
            names = apply_layer(root_fd, layer, self.owners, diff_id=diff_id, outline=self.is_outline)
        self._follow(names)
        self._push()

    def remember(self) -> Lookup:
        self.snapshot()
        place, empty = (self._directory / f"{name}-{len(self._remembered)}" for name in ("remembered", "empty"))
        for directory in (place, empty):
            directory.mkdir()
        self._mounter.mount(place, (*self._mounted.lowers, empty))
        self._remembered.append(place)
        return partial(look_up, place)

    def snapshot(self) -> None:
        if self._is_written:
            self._push()

    def diff(self, *, ignoring_ctime: Collection[str] = ()) -> Changes:
        self._is_written = True
        with self._mounted.views() as views:
            found = compare(views)
            self._links.follow(views, found)
        return Changes(written=tuple(sorted(found.written)), deleted=tuple(sorted(found.deleted)))

    def copy(self, op: Copy, source: SourceTree, *, leave: bool = False) -> Changes:
        with self._writing() as root_fd:
            changes = copy_into(root_fd, op, source, self.owners, outline=self.is_outline, leave=leave)
        taking = source.taking
        self._follow([name for name in changes.written if not taking or name not in taking.names])
        if taking:
            self._push(taking.finish)
        return changes

    def make_dir(self, op: MakeDir) -> Changes:
        with self._writing() as root_fd:
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
            layer = write_layer(
                root_fd, changes, self.owners, to=to, media_type=media_type, level=level, newest=newest, send=send
            )
        self.snapshot()
        return layer

    def user(self, name: str) -> Identity:
        with paths.opened_root(self.path) as root_fd:
            return lookup_user(root_fd, name)

    @contextmanager
    def mountpoints(self, wanted: Mapping[str, bool]) -> Iterator[dict[str, str]]:
        with mountpoints(self.path, wanted) as found:
            self._is_written |= bool(found.made)
            yield dict(found.places)

    def as_source(self, *, for_good: bool = False) -> SourceTree:
        taking = Taking(self._lone, release=self.close) if for_good else None
        return SourceTree(path=self.path, owners=self.owners, taking=taking)

    def _lone(self, path: str) -> Path | None:
        """Which of its own directories alone has the directory at `path`."""
        found = lone((self._mounted.upper, *self._mounted.lowers), path)
        return found if found is not None and found.is_relative_to(self._directory) else None

    def close(self) -> None:
        """Unmount it; twice is no error."""
        while self._remembered:
            self._mounter.unmount(self._remembered.pop())
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()

    def remove(self) -> None:
        self.close()
        if not self._has_children:
            remove_tree(self._directory)

    @property
    def _mounted(self) -> Stack:
        if self._stack is None:
            raise RootfsError(f"{str(self.path)!r} isn't mounted any more")
        return self._stack

    @contextmanager
    def _writing(self) -> Iterator[int]:
        self._is_written = True
        with paths.opened_root(self.path) as root_fd:
            yield root_fd

    def _follow(self, names: Collection[str]) -> None:
        _follow(self._links, names, self._mounted)

    def _push(self, change: Callable[[Path], None] | None = None) -> None:
        self._mounted.push(change)
        self._is_written = False


def _unpacked(
    layers: Iterable[Layer], trees: LayerTrees, mounter: Mounter, *, outline: bool
) -> tuple[tuple[Path, ...], tuple[tuple[str, ...], ...]]:
    """The lower directories of these layers, topmost first, and the links in them.

    Over an outline there are only outlines: what a whole tree has been made on is whole.
    """
    lowers: tuple[Path, ...] = ()
    links: tuple[tuple[str, ...], ...] = ()
    is_outline = False
    layers = list(layers)
    for layer, chain in zip(layers, chain_ids(layer.diff_id for layer in layers), strict=True):
        is_outline = is_outline or (outline and not trees.has(chain))
        make = partial(_unpack, layer, lowers, links, mounter, outline=is_outline)
        tree = trees.get(chain, make, kind=OUTLINE if is_outline else "")
        lowers, links = (tree.path, *lowers), tree.links
    return lowers, links


def _unpack(
    layer: Layer, lowers: Sequence[Path], links: Iterable[Iterable[str]], mounter: Mounter, directory: Path, *, outline: bool
) -> Iterable[Iterable[str]]:
    """Make the tree of a layer in `directory`, as LayerTrees wants it: what it writes on those below, if there are any."""
    tree, owners, known = directory / "tree", Owners(directory), Links(links)
    if not lowers:
        tree.mkdir()
        tree.chmod(0o755)
        with layer.blob.open() as stream, paths.opened_root(tree) as root_fd:
            names = apply_layer(root_fd, stream, owners, diff_id=layer.diff_id, outline=outline)
            return linked_among(root_fd, names).linked.values()
    stack = Stack(directory / "stack", mounter, lowers)
    try:
        with layer.blob.open() as stream, paths.opened_root(stack.path) as root_fd:
            names = apply_layer(root_fd, stream, owners, diff_id=layer.diff_id, outline=outline)
        _follow(known, names, stack)
    finally:
        stack.close()
    stack.upper.rename(tree)
    remove_tree(directory / "stack")
    return known.groups


def _follow(links: Links, names: Collection[str], stack: Stack) -> None:
    """What was written to these paths may have made or unmade links."""
    if not links.groups and not names:
        return
    with stack.views() as views:
        links.follow(views, linked_among(views.after, names))
