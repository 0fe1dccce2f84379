"""The saved mounts of one build: restored when a RUN first needs one, saved when the commands are over.

Its trouble never fails a build: it is told once, and the cache begins empty or isn't saved.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from builder.cache.mounts import Identity, record_path, unless_worked_in
from builder.cancel import Cancel, Cancelled
from builder.columns import human_size
from builder.errors import AuthError, BuilderError, ImageError, NotFoundError, RootfsError, StoreError
from builder.image.platform import Platform
from builder.image.text import well_formed
from builder.rootfs import Owners, paths
from builder.rootfs.tree import scan, settle
from builder.saved_mounts import restoring
from builder.saved_mounts.content import Pack
from builder.saved_mounts.record import Record
from builder.saved_mounts.saving import Clock, Packed, Packer
from builder.state import remove_tree
from builder.store import Store, garbage
from builder.store.copy import copy
from builder.store.layout import LayoutStore
from builder.values import dataclass

log = logging.getLogger(__name__)

_GARBAGE_AGE = 24 * 3600  # seconds; a build that has stored a pack and not yet its manifest is younger


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`place` names the store, for people and in records; each mount is at most `limit` bytes large. `saves`: else it only reads.

    What was saved on one `platform` is for that alone: caches have programs in them.
    """

    place: str
    platform: Platform
    limit: int
    saves: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Use:
    """The last use of a cache mount in this build."""

    identity: Identity
    directory: Path
    owners: Owners


class SavedMounts:
    """In `store`. Threads may share one; `directory` is for packs on their way.

    At its end it waits until all is saved, also when a command has failed: what those before it have fetched is worth keeping.
    """

    def __init__(self, store: Store, rules: Rules, *, directory: Path, clock: Clock) -> None:
        self._store = store
        self._rules = rules
        self._directory = directory
        self._clock = clock
        self._restored: dict[int, Record] = {}  # inode of the directory → what it was restored from
        self._owners: dict[Path, Owners] = {}  # directory → those of the last command that was let in
        self._uses: dict[Identity, _Use] = {}
        self._untouchable: set[Identity] = set()  # what is saved of them could not be had this time, and shall stay
        self._mutex = threading.Lock()
        self._has_told = threading.Event()
        self._cancel = Cancel()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="save-mounts")
        self._saving: list[Future[None]] = []

    def __enter__(self) -> Self:
        self._directory.mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None or isinstance(error, BuilderError):
            self.save()
        else:
            self._cancel.set()
            self._pool.shutdown(cancel_futures=True)
        for future in self._saving:
            if not future.cancelled():
                future.result()
        self._pool.shutdown()

    def restore(self, identity: Identity, path: Path, owners: Owners) -> bool:
        """Make the directory `path` with what is saved for it; False, and nothing is there, if nothing is or it can't be had."""
        started = time.monotonic()
        try:
            with self._scratch() as scratch:
                size = self._restore(identity, path, owners, scratch)
        except (BuilderError, OSError) as error:
            remove_tree(path)
            if not _is_worthless(error):
                self._untouchable.add(identity)
            self._tell(f"can't restore the cache mount {_shown(identity)!r}, which begins anew", error)
            return False
        if size is None:
            log.debug("nothing is saved for the cache mount %r", _shown(identity))
            return False
        seconds = time.monotonic() - started
        log.info(
            "  restored the cache mount %r: %s from %s in %.1f s", _shown(identity), human_size(size), self._rules.place, seconds
        )
        return True

    def opened(self, identity: Identity, directory: Path, owners: Owners) -> None:
        """A command is going to work in it: `owners` learn what the one before it knew, in this build or the last."""
        with self._mutex:
            before, restored = self._owners.get(directory), directory.stat().st_ino in self._restored
            self._owners[directory] = owners
        if before is not None:
            owners.learn(before)
        elif not restored and not owners.plain:
            try:
                with paths.opened_root(directory) as root_fd:
                    Record.read(record_path(directory), place=self._rules.place).teach(root_fd, owners)
            except OSError as error:
                self._tell(f"can't tell whose the files in the cache mount {_shown(identity)!r} are", error)

    def used(self, identity: Identity, directory: Path, owners: Owners) -> None:
        """A command has worked in it, and succeeded."""
        with self._mutex:
            before = self._uses.get(identity)
            self._uses[identity] = _Use(identity=identity, directory=directory, owners=owners)
        if before is not None and before.directory == directory:
            owners.learn(before.owners)  # they may have worked in it at the same time

    def save(self) -> None:
        """Begin to save what was used; to be called when no command will run any more."""
        with self._mutex:
            uses, self._uses = list(self._uses.values()), {}
        if self._rules.saves:
            self._saving += [self._pool.submit(self._save, use) for use in uses if use.identity not in self._untouchable]

    def _restore(self, identity: Identity, path: Path, owners: Owners, scratch: Path) -> int | None:
        """The bytes that were moved."""
        manifest = restoring.find(self._store, self._tag(identity))
        if manifest is None:
            return None
        content = restoring.read(self._store, manifest)
        size = restoring.unpack(content, self._store, path, owners, limit=self._rules.limit, directory=scratch)
        with paths.opened_root(path) as root_fd:
            tree, inode = scan(root_fd, owners), os.fstat(root_fd).st_ino
        settle(tree, scratch)
        record = Record.of(tree, place=self._rules.place, content=content, read_since=self._clock())
        with self._mutex:
            self._restored[inode] = record
        return size

    def _save(self, use: _Use) -> None:
        try:
            with self._scratch() as scratch:
                self._save_from(use, scratch)
        except Cancelled:
            log.debug("the cache mount %r isn't saved", _shown(use.identity))
        except (BuilderError, OSError) as error:
            self._tell(f"can't save the cache mount {_shown(use.identity)!r}", error)

    def _save_from(self, use: _Use, scratch: Path) -> None:
        started, name = time.monotonic(), _shown(use.identity)
        with unless_worked_in(use.directory) as is_ours:
            if not is_ours:
                log.warning("the cache mount %r isn't saved: another build is working in it", name)
                return
            packed = self._packed(use, scratch)
        if packed.is_new or restoring.find(self._store, self._tag(use.identity)) is None:
            moved = self._stored(use.identity, packed)
            left_out = f", least recently used left out: {human_size(packed.dropped)}" if packed.dropped else ""
            told = (name, human_size(moved), human_size(packed.size), self._rules.place, time.monotonic() - started, left_out)
            log.info("saved the cache mount %r: moved %s for %s to %s in %.1f s%s", *told)
        else:
            log.debug("the cache mount %r has not changed", name)
        packed.record.write(record_path(use.directory))

    def _packed(self, use: _Use, scratch: Path) -> Packed:
        with self._mutex:
            record = self._restored.get(use.directory.stat().st_ino)
        if record is None:
            record = Record.read(record_path(use.directory), place=self._rules.place)
        packer = Packer(
            to=scratch,
            limit=self._rules.limit,
            has=self._has,
            clock=self._clock,
            cancel=self._cancel,
        )
        return packer.pack(use.directory, use.owners, record)

    def _has(self, pack: Pack) -> bool:
        """A layout holds what it was asked for, a descriptor each: there may be too many. For a day this is enough, see _tidy."""
        is_there = self._store.has(pack.descriptor)
        if isinstance(self._store, LayoutStore) and self._store.holds is not None:
            self._store.holds.release([pack.descriptor.digest])
        return is_there

    def _stored(self, identity: Identity, packed: Packed) -> int:
        """Store it; the bytes of what is new."""
        self._cancel.check()
        bundle = packed.bundle({"dev.masu.cache-mount.id": well_formed(_shown(identity))})
        store = LayoutStore(self._store.path) if isinstance(self._store, LayoutStore) else self._store  # holds nothing, see _has
        copy(bundle, to=store, names=[self._tag(identity)])
        if isinstance(store, LayoutStore):
            _tidy(store, before=self._clock() / 10**9 - _GARBAGE_AGE)
        return bundle.size

    def _tag(self, identity: Identity) -> str:
        text = json.dumps(["saved cache mount 1", str(self._rules.platform), *identity])
        return f"mount-{hashlib.sha256(text.encode()).hexdigest()}"

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        scratch = Path(tempfile.mkdtemp(dir=self._directory))
        try:
            yield scratch
        finally:
            remove_tree(scratch)

    def _tell(self, what: str, error: BuilderError | OSError) -> None:
        """Once as a warning: where one fails, others will."""
        level = logging.DEBUG if self._has_told.is_set() else logging.WARNING
        self._has_told.set()
        message = error.message if isinstance(error, BuilderError) else str(error)
        log.log(level, "%s: %s", what, message)


def _shown(identity: Identity) -> str:
    """The id as in the Dockerfile; BuildKit's, which identities have, begin with a slash more."""
    return identity[0].removeprefix("/")


def _is_worthless(error: BuilderError | OSError) -> bool:
    """Whether what is saved is broken, or nothing: not if the way to it is, or the disk is full."""
    if isinstance(error, RootfsError):
        return not isinstance(error.__cause__, OSError)
    return isinstance(error, (ImageError, StoreError, NotFoundError, AuthError))


def _tidy(store: LayoutStore, *, before: float) -> None:
    """A registry deletes what no name leads to by itself, a directory doesn't. `before` is in seconds since the epoch."""
    old = [item.digest for item in garbage.unreferenced(store) if item.used < before]
    if old:
        log.debug("deleting %d old blobs from %s: %s", len(old), store.path, human_size(garbage.delete(store, old)))
