"""What has changed in a directory, written as packs, and the manifest that tells of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from builder.cancel import Cancel
from builder.image.blob import Blob
from builder.image.layer import Layer
from builder.image.manifest import Manifest
from builder.image.media import OCI_LAYER_ZSTD, OCI_MANIFEST
from builder.rootfs import Changes, Owners, paths
from builder.rootfs.pack import write_layer
from builder.rootfs.tree import Entry, scan, settle
from builder.saved_mounts.content import INDEX, Content, File, Pack
from builder.saved_mounts.record import Owner, Record, directories_of, files_of
from builder.saved_mounts.retention import Choice, choose, deleted, least_used, parents, size_of
from builder.store.bundle import Bundle
from builder.values import dataclass, replace

_ASKING = 8
_DAY = 24 * 3600
"""Seconds. That nothing but the time of its last use has changed is worth saving only so often."""

Clock = Callable[[], int]
"""Nanoseconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What is to be stored, and the record for when it is; `is_new` is False if all of it is stored already.

    `size` are the bytes that the files of the saved mount count, `dropped` those of files that were left out.
    """

    record: Record
    blobs: tuple[Blob, ...] = ()
    is_new: bool = False
    size: int
    dropped: int

    def bundle(self, annotations: Mapping[str, str]) -> Bundle:
        """Raises ImageError when there are too many files."""
        content = self.record.content
        index = Blob.of(content.to_index(), INDEX)
        layers = tuple(pack.descriptor for pack in content.layers)
        manifest = Manifest(media_type=OCI_MANIFEST, config=index.descriptor, layers=layers, annotations=annotations)
        return Bundle(manifest=Blob.of(manifest.to_bytes(), OCI_MANIFEST), blobs=(*self.blobs, index))


@dataclass(frozen=True, slots=True, kw_only=True)
class Packer:
    """Makes packs in the directory `to`. `limit` is in bytes, `has` tells whether a pack is still stored."""

    to: Path
    limit: int
    has: Callable[[Pack], bool]
    clock: Clock
    cancel: Cancel

    def pack(self, root: Path, owners: Owners, record: Record) -> Packed:
        """Compare the directory `root` with its record, and write what is new. Nobody may write in `root` meanwhile.

        Raises BuilderError, also when the disk is full.
        """
        with paths.opened_root(root) as root_fd:
            tree = scan(root_fd, owners)
            settle(tree, self.to)
            entries, directories = files_of(tree), directories_of(tree)
            saved = _still_stored(record.content, self.has)
            unchanged = {path for path, entry in entries.items() if record.entries.get(path) == entry}
            used = self._uses(root_fd, entries, unchanged, record)
            dropped = least_used(entries, used, limit=self.limit)
            choice = choose(entries, saved, unchanged, dropped)
            is_new = saved != record.content or _has_changed(record, choice, directories, used)
            content, blobs = saved, tuple[Blob, ...]()
            if is_new:
                content, blobs = self._written(root_fd, owners, saved, choice, entries, directories, used)
        left_out = sum(size_of(entries[path]) for path in dropped)
        return Packed(
            record=Record.of(tree, place=record.place, content=content, read_since=self.clock()),
            blobs=blobs,
            is_new=is_new,
            size=sum(map(size_of, entries.values())) - left_out,
            dropped=left_out,
        )

    def _written(
        self,
        root_fd: int,
        owners: Owners,
        saved: Content,
        choice: Choice,
        entries: Mapping[str, Entry],
        directories: Mapping[str, Owner],
        used: Mapping[str, int],
    ) -> tuple[Content, tuple[Blob, ...]]:
        """The new content, and the blobs of it that were made now."""
        layers = [self._layer(root_fd, owners, Changes(written=group)) for group in choice.groups]
        content = _content(saved, choice, layers, used)
        kept = entries.keys() - choice.dropped
        there = _without(directories, kept, choice.dropped)
        gone = deleted(kept, there, content.dead)
        last = self._layer(root_fd, owners, Changes(written=tuple(sorted(there)), deleted=gone))
        blobs = {layer.blob.descriptor.digest: layer.blob for layer in (*layers, last)}
        return replace(content, directories=_pack(last, 0)), tuple(blobs.values())

    def _layer(self, root_fd: int, owners: Owners, changes: Changes) -> Layer:
        self.cancel.check()
        return write_layer(root_fd, changes, owners, to=self.to, media_type=OCI_LAYER_ZSTD, exact_times=True)

    def _uses(self, root_fd: int, entries: Mapping[str, Entry], unchanged: Collection[str], record: Record) -> dict[str, int]:
        """When each file was used last, in seconds since the epoch: now if it is new; else when it was read, if that is known."""
        used = dict.fromkeys(entries, self.clock() // 10**9)
        tells = _tells_reading(self.to)
        for path in unchanged:
            file = record.content.files.get(path)
            if not tells or not _was_read(root_fd, path, record.read_since):
                used[path] = file.used if file else 0
        return used


def _was_read(root_fd: int, path: str, since: int) -> bool:
    """Whether somebody has read the file after `since`. Restoring sets atime to mtime, so that relatime notes the next."""
    try:
        status = os.stat(path, dir_fd=root_fd, follow_symlinks=False)
    except OSError:
        return True  # a path too long for one call: kept to be safe
    return status.st_atime_ns > since and status.st_atime_ns != status.st_mtime_ns


def _tells_reading(directory: Path) -> bool:
    """Whether reading moves atime on this filesystem: not with noatime."""
    with tempfile.TemporaryFile(dir=directory) as probe:
        probe.write(b"x")
        probe.flush()
        os.utime(probe.fileno(), (1, 1))
        os.pread(probe.fileno(), 1, 0)
        return os.fstat(probe.fileno()).st_atime > 1


def _still_stored(content: Content, has: Callable[[Pack], bool]) -> Content:
    """What is left of it: somebody may have deleted a pack."""
    with ThreadPoolExecutor(_ASKING, thread_name_prefix="packs") as pool:
        answers = list(pool.map(has, content.layers))
    missing = {pack.descriptor.digest.hex for pack, there in zip(content.layers, answers, strict=True) if not there}
    if not missing:
        return content
    return Content(
        packs={name: pack for name, pack in content.packs.items() if name not in missing},
        files={path: file for path, file in content.files.items() if file.pack not in missing},
        dead=frozenset(pair for pair in content.dead if pair[1] not in missing),
    )


def _has_changed(record: Record, choice: Choice, directories: Mapping[str, Owner], used: Mapping[str, int]) -> bool:
    saved = record.content
    return (
        saved.directories is None
        or bool(choice.groups)
        or choice.files.keys() != saved.files.keys()
        or directories != record.directories
        or any(used[path] - file.used > _DAY for path, file in choice.files.items())
    )


def _content(saved: Content, choice: Choice, layers: list[Layer], used: Mapping[str, int]) -> Content:
    """Without the pack of directories."""
    live = {file.pack for file in choice.files.values()}
    packs = {name: pack for name, pack in saved.packs.items() if name in live}
    files = {path: File(file.pack, used[path]) for path, file in choice.files.items()}
    for group, layer in zip(choice.groups, layers, strict=True):
        made = _pack(layer, choice.sizes[group])
        name = made.descriptor.digest.hex
        packs[name] = made
        files |= {path: File(name, used[path]) for path in group}
    before = saved.dead | {(path, file.pack) for path, file in saved.files.items()}
    dead = frozenset((path, pack) for path, pack in before if pack in live and not (path in files and files[path].pack == pack))
    return Content(packs=packs, files=files, dead=dead)


def _pack(layer: Layer, size: int) -> Pack:
    return Pack(descriptor=layer.blob.descriptor, diff_id=layer.diff_id, size=size)


def _without(directories: Collection[str], kept: Collection[str], dropped: Collection[str]) -> set[str]:
    """The directories but for those that are empty only because of what was dropped, and all below."""
    emptied = {parent for path in dropped for parent in parents(path)} - {parent for path in kept for parent in parents(path)}
    if not emptied:
        return set(directories)
    return {path for path in directories if path not in emptied and emptied.isdisjoint(parents(path))}
