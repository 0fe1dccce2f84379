"""The filesystem of one stage: the only mutable object of masu."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from builder.image.digest import Digest
from builder.image.growing import Send
from builder.image.layer import Layer
from builder.image.media import MediaType
from builder.ops import Copy, MakeDir
from builder.rootfs.combined import Lookup
from builder.rootfs.owner import Owners
from builder.rootfs.sources import SourceTree
from builder.rootfs.tree import Changes
from builder.rootfs.users import Identity

__all__ = ["Changes", "Identity", "Owners", "Rootfs", "SourceTree"]


class Rootfs(Protocol):
    """`path` is its directory; except during a RUN everything is done there. `owners` knows the true metadata of its files.

    An outline has all directories and links of its layers, but their regular files empty: as much as COPY and WORKDIR nearly
    always need to know (they raise OutlineError if it isn't enough). Nothing can be run in it, nothing copied from it.
    """

    @property
    def path(self) -> Path: ...

    @property
    def owners(self) -> Owners: ...

    @property
    def is_outline(self) -> bool: ...

    def unpack(self, layer: BinaryIO, *, diff_id: Digest | None = None) -> None:
        """Apply a layer's tar stream, compressed or not; read to its end. With `diff_id` its content is checked."""

    def remember(self) -> Lookup:
        """Tells what is there now, whatever will become of it, as long as the tree lives; for `Combined`."""

    def snapshot(self) -> None:
        """Remember the tree as it is, before a RUN. Once it returns, no change can escape `diff`."""

    def diff(self, *, ignoring_ctime: Collection[str] = ()) -> Changes:
        """What has changed since the snapshot; `ignoring_ctime` are paths whose ctime a sandbox has changed by renaming them."""

    def copy(self, op: Copy, source: SourceTree, *, leave: bool = False) -> Changes:
        """Do a Copy op and return what it wrote, without a scan.

        With `leave` large contents stay in the source until the changes are packed: these files will be empty for ever here.
        """

    def make_dir(self, op: MakeDir) -> Changes:
        """Do a MakeDir op and return what it made, without a scan."""

    def pack(
        self,
        changes: Changes,
        *,
        to: Path,
        media_type: MediaType,
        level: int | None = None,
        newest: int | None = None,
        send: Send | None = None,
    ) -> Layer:
        """Write a layer of the changes into the directory `to` (pack.py says more)."""

    def user(self, name: str) -> Identity:
        """Who a process runs as for whom USER has `name`."""

    def mountpoints(self, wanted: Mapping[str, bool]) -> AbstractContextManager[dict[str, str]]:
        """Places for a sandbox to mount on, there as long as the context is entered (mountpoints.py says more)."""

    def as_source(self, *, for_good: bool = False) -> SourceTree:
        """What COPY --from reads; `for_good`: it is read for the last time, and directories may be taken out of it."""

    def remove(self) -> None:
        """Delete the whole tree."""
