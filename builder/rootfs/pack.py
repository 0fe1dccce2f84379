"""Makes a layer of a rootfs's changes in one pass: tar, its digest, compression, the digest of that, a file.

The archive is a function of the changed files alone: names sorted, owners as numbers, whole seconds, PAX records only where ustar
can't say it, no time or name in the compressor's header. Whiteouts as in the OCI image spec, layer.md. All directories on the way
to an entry are in the layer with their own metadata, because an overlay store unpacks each layer by itself and would invent them.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from builder.errors import RootfsError
from builder.image.growing import Send
from builder.image.layer import Layer
from builder.image.media import OCI_LAYER_GZIP, MediaType
from builder.rootfs import paths
from builder.rootfs.left import Left
from builder.rootfs.owner import Owners
from builder.rootfs.pipeline import Pipeline
from builder.rootfs.tree import Changes
from builder.rootfs.unpack import OPAQUE, WHITEOUT
from builder.rootfs.ustar import BLOCK, header, padding
from builder.values import dataclass

_log = logging.getLogger(__name__)
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_END = bytes(2 * BLOCK)
_NOTHING: Mapping[str, Left] = {}
_PIECE = 1 << 18


def write_layer(
    root_fd: int,
    changes: Changes,
    owners: Owners,
    *,
    to: Path,
    media_type: MediaType = OCI_LAYER_GZIP,
    level: int | None = None,
    newest: int | None = None,
    exact_times: bool = False,
    send: Send | None = None,
) -> Layer:
    """Write the layer into the directory `to`, under the hexadecimal digest of its bytes, and return it.

    `level` is the compressor's (None: its fastest useful one); `newest` limits modification times, in seconds since the epoch;
    `exact_times` keeps them to the nanosecond; `send` is told of the blob when it begins.

    Raises RootfsError when a file can't be read, changes meanwhile, or the disk is full; nothing is left in `to` then.
    """
    try:
        with Pipeline(to, media_type, level=level, send=send) as pipeline:
            with _Packer(root_fd, owners, pipeline, newest, exact_times=exact_times, left=changes.left) as packer:
                for path, is_whiteout in _plan(changes):
                    if is_whiteout:
                        packer.add_whiteout(path)
                    else:
                        packer.add(path)
            pipeline.write(_END)
            done = pipeline.finish()
    except OSError as error:
        raise RootfsError(f"can't write layer: {error.strerror or error}") from error
    return Layer(blob=done.blob, diff_id=done.diff_id)


def write_tree(root_fd: int, found: Iterable[str], owners: Owners, out: BinaryIO) -> None:
    """Write the entries with these paths as a tar, parents first. Raises RootfsError as `write_layer`."""
    sink = _Plain(out)
    with _Packer(root_fd, owners, sink, None) as packer:
        for path in found:
            packer.add(path)
    sink.write(_END)


class _Sink(Protocol):
    """Takes bytes in order."""

    def write(self, data: bytes) -> object:
        """A small piece."""
        ...

    def fill(self, fd: int, size: int) -> int:
        """Up to `size` bytes read from `fd`; returns how many there were."""
        ...


@dataclass(frozen=True, slots=True)
class _Plain:
    """A stream that gets them as they are."""

    out: BinaryIO

    def write(self, data: bytes) -> None:
        try:
            self.out.write(data)
        except OSError as error:
            raise RootfsError(f"can't write the tar: {error.strerror or error}") from error

    def fill(self, fd: int, size: int) -> int:
        left = size
        while left and (piece := os.read(fd, min(left, _PIECE))):
            self.write(piece)
            left -= len(piece)
        return size - left


def _plan(changes: Changes) -> list[tuple[str, bool]]:
    """Paths to write in order, each with whether it is a whiteout (then the path is the marker's)."""
    written = set(changes.written)
    markers = {}
    for path in changes.deleted:
        parent, name = paths.split(path)
        if not name.startswith(WHITEOUT):  # what is called so was in no layer
            markers[paths.join(parent, WHITEOUT + name if name else OPAQUE)] = True
    for path in [*changes.written, *changes.deleted]:
        parent = paths.split(path)[0]
        while parent and parent not in written:
            written.add(parent)
            parent = paths.split(parent)[0]
    return sorted([*((path, False) for path in written), *markers.items()])


class _Packer:
    """Writes entries of a rootfs to a pipeline, or elsewhere; remembers hard links and the directory it is in."""

    def __init__(
        self,
        root_fd: int,
        owners: Owners,
        pipeline: _Sink,
        newest: int | None,
        *,
        exact_times: bool = False,
        left: Mapping[str, Left] = _NOTHING,
    ) -> None:
        self._root_fd = root_fd
        self._owners = owners
        self._pipeline = pipeline
        self._newest = newest
        self._exact_times = exact_times
        self._left = left
        self._links: dict[tuple[int, int], str] = {}  # device and inode → first path
        self._parent = ""
        self._parent_fd = os.dup(root_fd)

    def __enter__(self) -> _Packer:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._parent_fd)

    def add_whiteout(self, path: str) -> None:
        """A marker that deletes what lower layers have."""
        self._pipeline.write(header(path, mode=stat.S_IFREG, uid=0, gid=0, size=0, mtime=0))

    def add(self, path: str) -> None:
        """One entry with its content."""
        parent, name = paths.split(path)
        if name.startswith(WHITEOUT):
            _log.warning("leaving %r out of the layer: the name means a deletion there", "/" + path)
            return
        try:
            dir_fd = self._enter(parent)
            status = os.stat(name or ".", dir_fd=dir_fd, follow_symlinks=False)
            if stat.S_ISSOCK(status.st_mode):
                return
            self._add(path, name or ".", dir_fd, status)
        except OSError as error:
            raise RootfsError(f"can't put {'/' + path!r} in a layer: {error.strerror or error}") from error

    def _enter(self, parent: str) -> int:
        if parent != self._parent:
            fd = paths.open_known(self._root_fd, parent)
            os.close(self._parent_fd)
            self._parent, self._parent_fd = parent, fd
        return self._parent_fd

    def _add(self, path: str, name: str, dir_fd: int, status: os.stat_result) -> None:
        truth = self._owners.truth(status, name, dir_fd=dir_fd)
        mtime, rest = divmod(status.st_mtime_ns, 10**9)
        if self._newest is not None:
            mtime = min(mtime, self._newest)
        write = partial(header, mode=truth.mode, uid=truth.uid, gid=truth.gid, mtime=mtime, rdev=truth.rdev)
        if self._exact_times and self._newest is None:
            write = partial(write, nanoseconds=rest)
        if stat.S_ISREG(truth.mode):
            self._file(path, name, dir_fd, status, write)
        elif stat.S_ISDIR(truth.mode):
            with paths.opened(os.open(name, _READ | os.O_DIRECTORY, dir_fd=dir_fd)) as fd:
                self._pipeline.write(write(f"{path or '.'}/", size=0, xattrs=self._xattrs(path, fd, status)))
        else:
            link = os.readlink(name, dir_fd=dir_fd) if stat.S_ISLNK(truth.mode) else ""
            self._pipeline.write(write(path, size=0, link=link))

    def _file(self, path: str, name: str, dir_fd: int, status: os.stat_result, write: partial[bytes]) -> None:
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                self._pipeline.write(write(path, size=0, link=first, hard=True))
                return
        with paths.opened(os.open(name, _READ, dir_fd=dir_fd)) as fd:
            write = partial(write, path, xattrs=self._xattrs(path, fd, status))
            if left := self._left.get(path):
                with left.opened() as elsewhere:
                    size = os.fstat(elsewhere).st_size
                    if self._content(elsewhere, size, write) < size:
                        raise left.changed()
                return
            got = self._content(fd, status.st_size, write)
            after = os.fstat(fd)
        if got < status.st_size or (after.st_size, after.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise RootfsError(
                f"{'/' + path!r} has changed while it was put in a layer", hint="end background processes before a RUN ends"
            )

    def _content(self, fd: int, size: int, write: partial[bytes]) -> int:
        """The entry itself, with `size` bytes from `fd`; returns how many there were."""
        self._pipeline.write(write(size=size))
        got = self._pipeline.fill(fd, size)
        self._pipeline.write(padding(size))
        return got

    def _xattrs(self, path: str, fd: int, status: os.stat_result) -> tuple[tuple[str, bytes], ...]:
        """Without those that a PAX header would give another name: a key ends with the first `=`."""
        found = self._owners.xattrs(fd, status)
        for name, _ in found:
            if "=" in name:
                _log.warning("leaving the attribute %r of %r out of the layer: no layer can hold such a name", name, "/" + path)
        return tuple(item for item in found if "=" not in item[0])
