"""COPY and ADD: which sources go where, by BuildKit's rules (solver/llbsolver/file/backend.go)."""

from __future__ import annotations

import errno
import os
import stat
from posixpath import basename

from builder.errors import RootfsError, hint_of
from builder.modes import Change
from builder.ops import Copy, InlineFile
from builder.rootfs import paths
from builder.rootfs.copy_tree import Override, TreeCopier
from builder.rootfs.make_dir import DirectoryMaker
from builder.rootfs.owner import Owners
from builder.rootfs.sources import Found, SourceTree, View, found
from builder.rootfs.tree import Changes
from builder.rootfs.unpack import extract_archive, is_archive
from builder.rootfs.users import lookup_chown


def copy_into(
    root_fd: int, op: Copy, source: SourceTree, owners: Owners, *, outline: bool = False, leave: bool = False
) -> Changes:
    """Do a Copy op; returns what it wrote, directories made on the way included.

    What the source's `taking` has is counted, but still to be moved. With `leave` large contents stay in the source, if it
    stays itself.
    Raises ContextError for a source that isn't there, RootfsError for what can't be written, OutlineError (something may be
    written then) for what can't be told because the root has only the `outline` of its files.
    """
    chown = lookup_chown(root_fd, op.chown, outline=outline) if op.chown is not None else None
    with paths.opened_root(source.path) as source_fd:
        override = Override(owner=chown, mode=Change.parse(op.chmod) if op.chmod else None)
        view = View(fd=source_fd, tree=source)
        leave = leave and not op.unpack and source.taking is None
        copier = TreeCopier(view, root_fd, owners, override, leave=leave)
        job = _Job(view, root_fd, owners, op, override, copier, outline=outline)
        try:
            for path in op.paths:
                job.copy_all(path)
            for file in op.files:
                job.inline(file)
        except OSError as error:
            raise _failure(error) from error
    taken = source.taking.names if source.taking else ()
    return Changes(written=tuple(sorted(copier.written.union(taken))), left=copier.left)


class _Job:
    """One Copy op under way."""

    def __init__(
        self,
        view: View,
        root_fd: int,
        owners: Owners,
        op: Copy,
        override: Override,
        copier: TreeCopier,
        *,
        outline: bool,
    ) -> None:
        self._view = view
        self._root_fd = root_fd
        self._owners = owners
        self._op = op
        self._override = override
        self._copier = copier
        self._outline = outline
        # BuildKit makes directories under the umask 022, special bits get lost on the way to mkdir(2), and clauses don't count.
        octal = override.mode.octal if override.mode else None
        self._maker = self._maker_of(mode=0o755 if octal is None else octal & 0o755)

    def _maker_of(self, *, mode: int) -> DirectoryMaker:
        return DirectoryMaker(self._owners, owner=self._override.owner, mode=mode, made=self._copier.written)

    def copy_all(self, path: str) -> None:
        """Copy what one argument of COPY stands for."""
        for source in found(self._view, self._op, path):
            self._copy(source)

    def inline(self, file: InlineFile) -> None:
        """Make a file whose content the Dockerfile has."""
        data = file.content.encode("utf-8", "surrogateescape")
        self._copier.inline(data, self._file_target(self._destination(), file.name))

    def _copy(self, source: Found) -> None:
        if self._op.unpack and stat.S_ISREG(source.status.st_mode) and self._unpack(source.place):
            return
        target = self._destination()
        if stat.S_ISDIR(source.status.st_mode):
            self._directory(source, target)
        else:
            self._copier.file(source.place, self._file_target(target, basename(source.path)))

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

    def _directory(self, source: Found, target: str) -> None:
        """A directory's content goes into the destination, which keeps its own metadata, or is made."""
        existed = not self._is_missing(target)
        if not existed:
            self._made(target)
        before = self._lstat(target)
        if not stat.S_ISDIR(before.st_mode):
            raise RootfsError(f"can't copy a directory over {'/' + target!r}, which isn't one")
        self._copier.content(source.place, target, source.selection)
        mtime_ns = before.st_mtime_ns if existed else source.status.st_mtime_ns
        fd = paths.open_strict(self._root_fd, target)
        try:
            os.utime(fd, ns=(mtime_ns, mtime_ns))
        finally:
            os.close(fd)

    def _file_target(self, target: str, name: str) -> str:
        """Where a file goes: into the destination if that is a directory."""
        is_directory = not self._is_missing(target) and stat.S_ISDIR(self._lstat(target).st_mode)
        return paths.join(target, name) if is_directory else target

    def _is_missing(self, target: str) -> bool:
        with paths.find(self._root_fd, target, follow=False) as spot:
            return spot.lstat() is None

    def _lstat(self, target: str) -> os.stat_result:
        with paths.find(self._root_fd, target, follow=False) as spot:
            return os.stat(spot.name, dir_fd=spot.dir_fd, follow_symlinks=False)

    def _unpack(self, place: str) -> bool:
        """Extract the source if its content is a tar archive, compressed or not; says whether it was."""
        with paths.find(self._view.fd, place, follow=False) as spot:
            fd = os.open(spot.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.dir_fd)
        with open(fd, "rb", buffering=0) as file:
            if not is_archive(file):
                return False
            file.seek(0)
            target = self._made(self._op.destination, self._maker_of(mode=0o755))  # --chmod isn't for archives
            owner = self._override.owner
            written = extract_archive(self._root_fd, target, file, self._owners, chown=owner, outline=self._outline)
            self._copier.written.update(written)
            return True


def _failure(error: OSError) -> RootfsError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RootfsError("no space left on the disk to copy files", hint="give masu's directory more space, or another disk")
    name = f" {os.fsdecode(error.filename)!r}" if error.filename else ""
    return RootfsError(f"can't copy{name}: {error.strerror or error}", hint=hint_of(error))
