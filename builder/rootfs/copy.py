"""COPY and ADD: which sources go where, by BuildKit's rules (solver/llbsolver/file/backend.go)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from posixpath import basename, normpath

from builder.errors import ContextError, RootfsError
from builder.matcher import Matcher
from builder.modes import Change
from builder.ops import Copy, InlineFile
from builder.rootfs import paths
from builder.rootfs.copy_tree import Override, SourceTree, TreeCopier
from builder.rootfs.make_dir import DirectoryMaker
from builder.rootfs.owner import Owners
from builder.rootfs.selection import Selection
from builder.rootfs.tree import Changes
from builder.rootfs.unpack import extract_archive, is_archive
from builder.rootfs.users import lookup_chown
from builder.rootfs.wildcards import expand, has_wildcards


def copy_into(root_fd: int, op: Copy, source: SourceTree, owners: Owners) -> Changes:
    """Do a Copy op; returns what it wrote, directories made on the way included.

    Raises ContextError for a source that isn't there, RootfsError for what can't be written.
    """
    chown = lookup_chown(root_fd, op.chown) if op.chown is not None else None
    with paths.opened_root(source.path) as source_fd:
        override = Override(owner=chown, mode=Change.parse(op.chmod) if op.chmod else None)
        copier = TreeCopier(source_fd, source, root_fd, owners, override)
        job = _Job(source_fd, source, root_fd, owners, op, override, copier)
        try:
            for path in op.paths:
                job.copy_all(path)
            for file in op.files:
                job.inline(file)
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
        # BuildKit makes directories under the umask 022, special bits get lost on the way to mkdir(2), and clauses don't count.
        octal = override.mode.octal if override.mode else None
        self._maker = self._maker_of(mode=0o755 if octal is None else octal & 0o755)
        self._excludes = Matcher.of(op.exclude)

    def _maker_of(self, *, mode: int) -> DirectoryMaker:
        return DirectoryMaker(self._owners, owner=self._override.owner, mode=mode, made=self._copier.written)

    def copy_all(self, path: str) -> None:
        """Copy what one argument of COPY stands for."""
        includes = None
        if self._op.parents:
            path, pattern = _at_pivot(path)
            includes = Matcher.of([pattern])
            if not has_wildcards(path) and not has_wildcards(pattern):
                self._look_up(_clean(f"{path}/{pattern}"))
        for match in self._matches(path):
            self._copy(match, Selection(includes=includes, excludes=self._excludes))

    def inline(self, file: InlineFile) -> None:
        """Make a file whose content the Dockerfile has."""
        data = file.content.encode("utf-8", "surrogateescape")
        self._copier.inline(data, self._file_target(self._destination(), file.name))

    def _matches(self, path: str) -> Iterator[str]:
        """The sources that a path stands for, relative to the source's root; wildcards may stand for none."""
        clean = _clean(path)
        if not any(has_wildcards(part) for part in clean.split("/")):
            yield clean
            return
        try:
            yield from expand(self._source_fd, clean, wanted=self._copier.exists)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self._not_found(clean) from error

    def _copy(self, path: str, selection: Selection) -> None:
        found, status = self._look_up(path)
        if self._op.unpack and stat.S_ISREG(status.st_mode) and self._unpack(found):
            return
        target = self._destination()
        if stat.S_ISDIR(status.st_mode):
            self._directory(found, status, target, selection)
        else:
            self._copier.file(found, self._file_target(target, basename(path)))

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
        hint = self._source.why_ignored(path) if ignored else ""
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

    def _directory(self, found: str, status: os.stat_result, target: str, selection: Selection) -> None:
        """A directory's content goes into the destination, which keeps its own metadata, or is made."""
        existed = not self._is_missing(target)
        if not existed:
            self._made(target)
        before = self._lstat(target)
        if not stat.S_ISDIR(before.st_mode):
            raise RootfsError(f"can't copy a directory over {'/' + target!r}, which isn't one")
        self._copier.content(found, target, selection)
        mtime_ns = before.st_mtime_ns if existed else status.st_mtime_ns
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

    def _unpack(self, found: str) -> bool:
        """Extract the source if its content is a tar archive, compressed or not; says whether it was."""
        with paths.find(self._source_fd, found, follow=False) as spot:
            fd = os.open(spot.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.dir_fd)
        with open(fd, "rb", buffering=0) as file:
            if not is_archive(file):
                return False
            file.seek(0)
            target = self._made(self._op.destination, self._maker_of(mode=0o755))  # --chmod isn't for archives
            written = extract_archive(self._root_fd, target, file, self._owners, chown=self._override.owner)
            self._copier.written.update(written)
            return True


def _at_pivot(path: str) -> tuple[str, str]:
    """What `--parents` makes of a source: the directory that it is below, and a pattern for what is copied of that."""
    directory, pivot, below = path.partition("/./")
    return (directory, _clean(below)) if pivot else ("/", _clean(path))


def _clean(path: str) -> str:
    """A source relative to the root of its tree; `..` stops there."""
    return normpath("/" + path).lstrip("/")


def _failure(error: OSError) -> RootfsError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RootfsError("no space left on the disk to copy files", hint="give masu's directory more space, or another disk")
    name = f" {os.fsdecode(error.filename)!r}" if error.filename else ""
    return RootfsError(f"can't copy{name}: {error.strerror or error}")
