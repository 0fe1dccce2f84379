"""COPY and ADD: which sources go where, by BuildKit's rules (solver/llbsolver/file/backend.go)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from posixpath import basename, normpath

from builder.errors import ContextError, RootfsError
from builder.ops import Copy
from builder.rootfs import paths
from builder.rootfs.archive import BLOCK, has_good_checksum
from builder.rootfs.copy_tree import Override, SourceTree, TreeCopier
from builder.rootfs.decompress import DAMAGED, decompressed
from builder.rootfs.make_dir import DirectoryMaker
from builder.rootfs.owner import Owners
from builder.rootfs.tree import Changes
from builder.rootfs.unpack import extract_archive
from builder.rootfs.users import lookup_chown
from builder.rootfs.wildcards import expand, has_wildcards


def copy_into(root_fd: int, op: Copy, source: SourceTree, owners: Owners) -> Changes:
    """Do a Copy op; returns what it wrote, directories made on the way included.

    Raises ContextError for a source that isn't there, RootfsError for what can't be written.
    """
    chown = lookup_chown(root_fd, op.chown) if op.chown is not None else None
    with paths.opened_root(source.path) as source_fd:
        override = Override(owner=chown, mode=op.chmod)
        copier = TreeCopier(source_fd, source, root_fd, owners, override)
        job = _Job(source_fd, source, root_fd, owners, op, override, copier)
        try:
            for path in op.paths:
                for match in job.matches(path):
                    job.copy(match)
        except OSError as error:
            raise _failure(error) from error
    return Changes(written=tuple(sorted(copier.written)))


class _Job:
    """One Copy op under way."""

    def __init__(
        self,
        source_fd: int,
        source: SourceTree,
        root_fd: int,
        owners: Owners,
        op: Copy,
        override: Override,
        copier: TreeCopier,
    ) -> None:
        self._source_fd = source_fd
        self._source = source
        self._root_fd = root_fd
        self._owners = owners
        self._op = op
        self._override = override
        self._copier = copier
        # BuildKit makes directories under the umask 022, and special bits get lost on the way to mkdir(2).
        self._maker = self._maker_of(mode=0o755 if op.chmod is None else op.chmod & 0o755)

    def _maker_of(self, *, mode: int) -> DirectoryMaker:
        return DirectoryMaker(self._owners, owner=self._override.owner or (0, 0), mode=mode, made=self._copier.written)

    def matches(self, path: str) -> Iterator[str]:
        """The sources that one argument of COPY stands for, relative to the source's root; wildcards may stand for none."""
        clean = _clean(path)
        if not any(has_wildcards(part) for part in clean.split("/")):
            yield clean
            return
        try:
            yield from expand(self._source_fd, clean, wanted=self._copier.exists)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._not_found(clean) from error

    def copy(self, path: str) -> None:
        """Copy one source."""
        found, status = self._look_up(path)
        if self._op.unpack and stat.S_ISREG(status.st_mode) and self._unpack(found):
            return
        target = self._destination()
        if stat.S_ISDIR(status.st_mode):
            self._directory(found, status, target)
        else:
            self._file(found, path, target)

    def _look_up(self, path: str) -> tuple[str, os.stat_result]:
        """Where a source really is, a link to it followed; raises ContextError if it isn't there or is ignored."""
        try:
            with paths.find(self._source_fd, path) as spot:
                status = spot.lstat()
                found = spot.path
        except (FileNotFoundError, NotADirectoryError):
            status = None
        except OSError as error:
            raise ContextError(f'"/{path}": {error.strerror}') from error
        if status is None or not self._copier.exists(path) or not self._copier.exists(found):
            raise self._not_found(path, ignored=status is not None)
        return found, status

    def _not_found(self, path: str, *, ignored: bool = False) -> ContextError:
        hint = f"it is there, but {self._source.ignore_file} excludes it" if ignored else ""
        return ContextError(f'"/{path}": not found', hint=hint)

    def _destination(self) -> str:
        """The destination's path without links; its parent exists, and it too if it is named as a directory."""
        text = self._op.destination
        if text.endswith(("/", "/.")) or text in ("", "."):
            return self._made(text)
        with paths.find(self._root_fd, text, make=self._maker) as spot:
            return spot.path

    def _made(self, path: str, maker: DirectoryMaker | None = None) -> str:
        try:
            fd, found = paths.open_dir(self._root_fd, path, make=maker or self._maker)
        except NotADirectoryError:
            raise RootfsError(f"destination {path!r} is not a directory") from None
        os.close(fd)
        return found

    def _directory(self, found: str, status: os.stat_result, target: str) -> None:
        """A directory's content goes into the destination, which keeps its own metadata, or is made."""
        existed = not self._is_missing(target)
        if not existed:
            self._made(target)
        before = self._lstat(target)
        if not stat.S_ISDIR(before.st_mode):
            raise RootfsError(f"can't copy a directory over {'/' + target!r}, which isn't one")
        self._copier.content(found, target)
        mtime_ns = before.st_mtime_ns if existed else status.st_mtime_ns
        fd = paths.open_strict(self._root_fd, target)
        try:
            os.utime(fd, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(fd)

    def _file(self, found: str, path: str, target: str) -> None:
        if not self._is_missing(target) and stat.S_ISDIR(self._lstat(target).st_mode):
            target = paths.join(target, basename(path))
        self._copier.file(found, target)

    def _is_missing(self, target: str) -> bool:
        with paths.find(self._root_fd, target, follow=False) as spot:
            return spot.lstat() is None

    def _lstat(self, target: str) -> os.stat_result:
        with paths.find(self._root_fd, target, follow=False) as spot:
            return os.stat(spot.name, dir_fd=spot.dir_fd, follow_symlinks=False)

    def _unpack(self, found: str) -> bool:
        """Extract the source if its content is a tar archive, compressed or not; says whether it was."""
        with paths.find(self._source_fd, found, follow=False) as spot:
            fd = os.open(spot.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.dir_fd)
        with open(fd, "rb", buffering=0) as file:
            try:
                start = decompressed(file).read(BLOCK)
            except DAMAGED:
                return False
            if len(start) < BLOCK or not any(start) or not has_good_checksum(start):
                return False
            file.seek(0)
            target = self._made(self._op.destination, self._maker_of(mode=0o755))  # --chmod isn't for archives
            written = extract_archive(self._root_fd, target, file, self._owners, chown=self._override.owner)
            self._copier.written.update(written)
            return True


def _clean(path: str) -> str:
    """A source relative to the root of its tree; `..` stops there."""
    return normpath("/" + path).lstrip("/")


def _failure(error: OSError) -> RootfsError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RootfsError("no space left on the disk to copy files", hint="give masu's directory more space, or another disk")
    name = f" {os.fsdecode(error.filename)!r}" if error.filename else ""
    return RootfsError(f"can't copy{name}: {error.strerror or error}")
