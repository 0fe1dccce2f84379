"""A machine with a state directory of its own, whose commands are functions that get the cache mount's directory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.cache.mounts import Identity, cache_directory
from builder.image.platform import Platform
from builder.ops import Sharing
from builder.rootfs.owner import Owners
from builder.saved_mounts.keeper import Rules, SavedMounts
from builder.store import Store
from builder.store.layout import opened

IDENTITY = ("id", "", "")
AMD64 = Platform.parse("linux/amd64")


def nothing(directory: Path) -> None:
    """A command that leaves its cache alone."""


@dataclass(slots=True, kw_only=True)
class Machine:
    """`root` is its state directory; what is saved is in a layout at `layout`, or in `store`."""

    root: Path
    layout: Path
    store: Store | None = None
    limit: int = 1 << 30
    saves: bool = True
    platform: Platform = AMD64
    identity: Identity = IDENTITY
    clock: Callable[[], int] = time.time_ns

    def build(self, *commands: Callable[[Path], object]) -> Path:
        """Carry the commands out one after the other in one cache mount, save it, and return its directory."""
        work = self.root / f"work-{time.monotonic_ns()}"
        work.mkdir(parents=True)
        owners = Owners(work)
        rules = Rules(place=str(self.layout), platform=self.platform, limit=self.limit, saves=self.saves)
        directory = self.root
        with (
            opened(self.layout) as layout,
            SavedMounts(self.store or layout, rules, directory=work / "packs", clock=self.clock) as mounts,
        ):
            for command in commands:
                with cache_directory(
                    self.root / "cache-mounts", self.identity, Sharing.SHARED, lambda path: self._begin(mounts, path, owners)
                ) as directory:
                    mounts.opened(self.identity, directory, owners)
                    command(directory)
                mounts.used(self.identity, directory, owners)
        return directory

    def _begin(self, mounts: SavedMounts, path: Path, owners: Owners) -> None:
        """As a RUN does it for a cache without `from=`."""
        if not mounts.restore(self.identity, path, owners):
            path.mkdir()


def stored(layout: Path) -> dict[str, int]:
    """The blobs of a layout and their sizes."""
    return {path.name: path.stat().st_size for path in layout.glob("blobs/sha256/*")}
