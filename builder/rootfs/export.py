"""The files that an image consists of: in a directory that may have others, or as a tar."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from builder.errors import RootfsError
from builder.image.image import Image
from builder.rootfs import paths
from builder.rootfs.owner import Meta, Owners
from builder.rootfs.pack import write_tree
from builder.rootfs.tree import scan
from builder.rootfs.unpack import Chown, apply_layer
from builder.state import remove_tree

Trees = Mapping[str, Image]
"""Directory → the image whose files come there; the empty path for an image that is alone."""

_UNFINISHED = ".masu-"
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack_image(image: Image, directory: Path, owners: Owners, *, chown: Chown | None = None) -> None:
    """All layers, onto the existing directory; nothing is written outside of it. Raises RootfsError, ImageError."""
    with paths.opened_root(directory) as root_fd:
        for layer in image.layers:
            with layer.blob.open() as stream:
                apply_layer(root_fd, stream, owners, diff_id=layer.diff_id, chown=chown)


def export_directory(trees: Trees, directory: Path) -> None:
    """Every file belongs to whoever runs this. What the directory has already stays, but for what has the same name.

    Raises as `unpack_image`.
    """
    mine = (0, 0) if os.geteuid() else (0, os.getegid())  # which means oneself, see Owners
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _unpacked(trees, directory, chown=mine) as (unpacked, owners):
            _merge(unpacked, directory, owners)
    except OSError as error:
        raise RootfsError(f"can't write files to {str(directory)!r}: {error.strerror or error}") from error


def export_tar(trees: Trees, out: BinaryIO, *, scratch: Path) -> None:
    """With the owners that the image has; files are unpacked in the directory `scratch` before. Raises as `unpack_image`."""
    with _unpacked(trees, scratch) as (unpacked, owners), paths.opened_root(unpacked) as root_fd:
        found = scan(root_fd, owners)
        write_tree(root_fd, sorted(path for path in found if path), owners, out)


@contextmanager
def _unpacked(trees: Trees, parent: Path, *, chown: Chown | None = None) -> Iterator[tuple[Path, Owners]]:
    """In a directory of its own, as files that upper layers delete must not touch what is elsewhere. It is gone at the end."""
    directory = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
    try:
        owners = Owners(directory)
        for name, image in trees.items():
            (directory / name).mkdir(mode=0o755, exist_ok=True)
            unpack_image(image, directory / name, owners, chown=chown)
        yield directory, owners
    finally:
        remove_tree(directory)


def _merge(source: Path, target: Path, owners: Owners) -> None:
    """Move all that is in one directory to the other; directories that both have become one, with the metadata of the first."""
    both: dict[str, Meta] = {}
    pending = [""]
    with paths.opened_root(source) as source_root, paths.opened_root(target) as target_root:
        while pending:
            path = pending.pop()
            with (
                paths.opened(paths.open_strict(source_root, path)) as source_fd,
                paths.opened(paths.open_strict(target_root, path)) as target_fd,
            ):
                found = dict(_moved(source_fd, target_fd, owners))
            below = {paths.join(path, name): meta for name, meta in found.items()}
            both |= below
            pending += below
        for path, meta in reversed(both.items()):
            with paths.opened(paths.open_strict(target_root, path)) as fd:
                owners.set(fd, meta)


def _moved(source: int, target: int, owners: Owners) -> Iterator[tuple[str, Meta]]:
    """Moves what it can; gives the directories that are in both."""
    for name in sorted(os.listdir(source)):
        status, there = os.stat(name, dir_fd=source, follow_symlinks=False), _status(name, target)
        is_directory = stat.S_ISDIR(status.st_mode)
        if there and is_directory and stat.S_ISDIR(there.st_mode):
            yield name, _meta(name, status, source, owners)
            continue
        if there and (is_directory or stat.S_ISDIR(there.st_mode)):
            paths.remove(target, name)
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)


def _status(name: str, dir_fd: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _meta(name: str, status: os.stat_result, dir_fd: int, owners: Owners) -> Meta:
    truth = owners.truth(status, name, dir_fd=dir_fd)
    with paths.opened(os.open(name, _READ, dir_fd=dir_fd)) as fd:
        return Meta(truth.mode, truth.uid, truth.gid, status.st_mtime_ns, 0, owners.xattrs(fd, status))
