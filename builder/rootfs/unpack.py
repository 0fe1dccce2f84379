"""Applies a layer to a rootfs, and extracts archives for ADD.

Whiteouts as in the OCI image spec, layer.md; what replaces what as in containerd (archive/tar.go). An archive is hostile until
proven otherwise: every name is resolved below the root (paths.py), and nothing is opened through a link that the archive could
have placed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from builder.errors import BuilderError, OutlineError, RootfsError
from builder.image.digest import Digest
from builder.rootfs import paths
from builder.rootfs.archive import BLOCK, Member, TarReader, has_good_checksum
from builder.rootfs.decompress import DAMAGED, ReadAhead, decompressed
from builder.rootfs.owner import Meta, Owners, keeps_xattr, list_xattrs
from builder.rootfs.users import TABLES

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_WHITEOUT_META = ".wh..wh."
_OPEN_DIRECTORIES = 64
_SPARE = 64 << 20
"""Bytes of the disk that an archive leaves free; it is looked after every so many bytes written, too."""
_DEPTH_LIMIT = 512
"""Directories in one another. What is done with a file costs as many steps, and nobody's tree is a fifth as deep."""
_MOST_NAMES = 1 << 29
"""Characters of all paths that one archive makes, which are held in memory."""
_NAME_COST = 100  # what a path takes in memory beside its characters
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Chown = tuple[int, int]
Content = Callable[[], Iterator[bytes | memoryview]]
"""Gives the bytes of a file in pieces."""

Record = Callable[[Member, Content], Content]
"""Gets every member and what gives its content, and returns what is to give it."""


def unrecorded(_: Member, content: Content) -> Content:
    return content


def apply_layer(
    root_fd: int,
    stream: BinaryIO,
    owners: Owners,
    *,
    diff_id: Digest | None = None,
    chown: Chown | None = None,
    watch: Callable[[int], None] = lambda size: None,
    outline: bool = False,
    sharing: bool = False,
    record: Record = unrecorded,
) -> set[str]:
    """Unpack a layer, compressed or not, onto the root; `stream` is read to its end. With `diff_id` the tar's digest is checked.

    `chown` replaces the layer's owners; `watch` is told how many bytes of the tar have come, and may raise. For an `outline`
    regular files and devices are made empty files without metadata, unless they have the name of a table of users; with
    `sharing` they are names of one file, which costs much less. Members pass `record`. Returns the paths between which it made
    hard links.

    Raises RootfsError for a malformed or hostile archive and for a full disk, and whatever reading `stream` raises.
    """
    hasher = diff_id.hasher() if diff_id else None
    applier = _Applier(root_fd, "", owners, chown=chown, makes_outline=outline, sharing=sharing)
    with ReadAhead(stream, hasher=hasher) as chunks, applier, explained():
        reader = TarReader(_watched(chunks, watch))
        for member in reader:
            applier.apply(member, record(member, reader.content))
        applier.finish()
    if diff_id and hasher and hasher.hexdigest() != diff_id.hex:
        raise RootfsError(f"layer has the diff_id {diff_id.algorithm}:{hasher.hexdigest()}, expected {diff_id}")
    return applier.linked


def extract_archive(
    root_fd: int, directory: str, stream: BinaryIO, owners: Owners, *, chown: Chown | None = None, outline: bool = False
) -> list[str]:
    """Extract an archive for ADD into the existing `directory` (a path without links); returns the paths written, sorted.

    No whiteouts here; `chown` replaces the archive's owners. Raises as `apply_layer`, and OutlineError for a hard link to a file
    of which the root has only the `outline`.
    """
    applier = _Applier(root_fd, directory, owners, chown=chown, whiteouts=False, is_on_outline=outline)
    with ReadAhead(stream) as chunks, applier:
        with explained():
            reader = TarReader(chunks)
            for member in reader:
                applier.apply(member, reader.content)
            applier.finish()
        return applier.written


def is_archive(stream: BinaryIO) -> bool:
    """Whether a tar archive, compressed or not, begins here; something of the stream is read."""
    try:
        start = decompressed(stream).read(BLOCK)
    except DAMAGED:
        return False
    return len(start) == BLOCK and any(start) and has_good_checksum(start)


@contextmanager
def explained() -> Iterator[None]:
    """What decompressors raise for damaged input becomes a RootfsError."""
    try:
        yield
    except DAMAGED as error:
        raise RootfsError(f"can't read the archive: {error}") from error


def _watched(chunks: Iterator[bytes], watch: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        watch(len(chunk))
        yield chunk


class _Applier:
    """Puts one archive's members below `base`, a directory of the root."""

    def __init__(
        self,
        root_fd: int,
        base: str,
        owners: Owners,
        *,
        chown: Chown | None = None,
        whiteouts: bool = True,
        makes_outline: bool = False,
        sharing: bool = False,
        is_on_outline: bool = False,
    ) -> None:
        self._root_fd = paths.open_known(root_fd, base)
        self._base = base
        self._owners = owners
        self._chown = chown
        self._whiteouts = whiteouts
        self._makes_outline = makes_outline
        self._sharing = sharing
        self._empty = -1  # descriptor of the file to share
        self._is_on_outline = is_on_outline
        self._open: dict[str, tuple[int, str]] = {}  # directory as named → descriptor, path without links
        self._stale: list[int] = []  # descriptors to close once the current member is done
        self._mine: set[str] = set()  # paths without links that this archive has made or gone through
        self._names_left = _MOST_NAMES
        self._unlooked = _SPARE  # bytes to write before the disk is looked at
        self._times: dict[str, int] = {}  # directory → mtime in nanoseconds, set at the end
        self.linked: set[str] = set()  # paths that were made hard links, or linked to

    @property
    def written(self) -> list[str]:
        return [paths.join(self._base, path) if path else self._base for path in sorted(self._mine)]

    def __enter__(self) -> _Applier:
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self._close_stale()
        self._forget_empty()
        os.close(self._root_fd)

    def apply(self, member: Member, content: Content) -> None:
        """Put one member in place."""
        try:
            name = _clean(member.name)
            if not name:
                self._root(member)
                return
            parent, base = paths.split(name)
            _check_depth(parent)
            dir_fd, directory = self._directory(parent)
            if self._whiteouts and base.startswith(WHITEOUT):
                self._whiteout(dir_fd, directory, base)
                return
            self._create(dir_fd, base, paths.join(directory, base), member, content)
        except OSError as error:
            raise _failure(member.name, error) from error
        finally:
            self._close_stale()

    def finish(self) -> None:
        """Set the times of directories, which every entry made in them had changed."""
        for path, mtime_ns in self._times.items():
            try:
                fd = paths.open_strict(self._root_fd, path)
            except (FileNotFoundError, NotADirectoryError):
                continue  # replaced later in the same archive
            except OSError as error:
                raise _failure(path, error) from error
            try:
                os.utime(fd, ns=(mtime_ns, mtime_ns))
            finally:
                os.close(fd)

    def _create(self, dir_fd: int, base: str, path: str, member: Member, content: Content) -> None:
        kind = stat.S_IFMT(member.mode)
        if member.hard:
            self._hard_link(dir_fd, base, path, member)
        elif kind == stat.S_IFREG and (not self._makes_outline or base in TABLES):
            self._file(dir_fd, base, member, content)
            self._times.pop(path, None)
        elif kind == stat.S_IFDIR:
            self._make_directory(dir_fd, base, path, member)
        elif kind == stat.S_IFLNK:
            self._replacing(dir_fd, base, lambda: os.symlink(member.link, base, dir_fd=dir_fd))
            self._owners.set(base, self._meta(member), dir_fd=dir_fd)
        elif self._makes_outline:
            self._replacing(dir_fd, base, lambda: self._make_empty(dir_fd, base))
        else:
            self._replacing(dir_fd, base, lambda: self._owners.mknod(base, self._meta(member), dir_fd=dir_fd))
        self._note(path)

    def _note(self, path: str) -> None:
        """A path is this archive's. Links may have led deeper than its name says."""
        _check_depth(path)
        self._mine.add(path)
        self._names_left -= len(path) + _NAME_COST
        if self._names_left < 0:
            raise RootfsError(f"too many entries in the archive, the last of them {path[:200]!r}")

    def _meta(self, member: Member) -> Meta:
        uid, gid = self._chown or (member.uid, member.gid)
        return Meta(member.mode, uid, gid, member.mtime_ns, member.rdev, member.xattrs)

    def _file(self, dir_fd: int, base: str, member: Member, content: Content) -> None:
        try:
            fd = os.open(base, _CREATE, 0o600, dir_fd=dir_fd)
        except FileExistsError:
            self._remove(dir_fd, base)
            fd = os.open(base, _CREATE, 0o600, dir_fd=dir_fd)
        try:
            for piece in content():
                written = os.write(fd, piece)
                while written < len(piece):
                    written += os.write(fd, piece[written:])
                self._spare_disk(fd, written)
            self._owners.set(fd, self._meta(member))
        finally:
            os.close(fd)

    def _spare_disk(self, fd: int, written: int) -> None:
        """Stop before the disk is full, for the sake of all others who use it."""
        self._unlooked -= written
        if self._unlooked > 0:
            return
        self._unlooked = _SPARE
        free = os.fstatvfs(fd)
        if free.f_bavail * free.f_frsize < _SPARE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _make_empty(self, dir_fd: int, base: str) -> None:
        """A name of the file that all share, or the first of a new one: it may have no more names, or have lost all of them."""
        if self._empty >= 0:
            try:
                os.link(f"/proc/self/fd/{self._empty}", base, dst_dir_fd=dir_fd, follow_symlinks=True)
            except FileExistsError:
                raise
            except OSError:
                self._forget_empty()
            else:
                return
        os.mknod(base, stat.S_IFREG | 0o600, dir_fd=dir_fd)
        if self._sharing:
            self._empty = os.open(base, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)

    def _forget_empty(self) -> None:
        if self._empty >= 0:
            os.close(self._empty)
            self._empty = -1

    def _make_directory(self, dir_fd: int, base: str, path: str, member: Member) -> None:
        """A directory stays if there is one; anything else in its place, a link to a directory too, gives way."""
        try:
            os.mkdir(base, 0o700, dir_fd=dir_fd)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(base, dir_fd=dir_fd, follow_symlinks=False).st_mode):
                self._remove(dir_fd, base)
                os.mkdir(base, 0o700, dir_fd=dir_fd)
        self._set_directory(dir_fd, base, path, member)

    def _set_directory(self, dir_fd: int, base: str, path: str, member: Member) -> None:
        fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        try:
            if self._whiteouts:
                _drop_xattrs(fd, but=member.xattrs)
            self._owners.set(fd, self._meta(member))
        finally:
            os.close(fd)
        self._times[path] = member.mtime_ns

    def _root(self, member: Member) -> None:
        """`./`: a layer may change the root directory itself; an archive that is added leaves its destination alone."""
        if not stat.S_ISDIR(member.mode) or member.hard:
            raise RootfsError(f"invalid tar entry {member.name!r}: the root can only be a directory")
        if self._whiteouts:
            self._set_directory(self._root_fd, ".", "", member)

    def _hard_link(self, dir_fd: int, base: str, path: str, member: Member) -> None:
        target = _clean(member.link)
        with paths.find(self._root_fd, target or ".", follow=False) as spot:
            if spot.path == path:
                raise RootfsError(f"invalid tar entry {member.name!r}: a hard link to itself")
            status = spot.lstat()
            if status is None or stat.S_ISDIR(status.st_mode):
                raise RootfsError(f"invalid tar entry {member.name!r}: can't make a hard link to {member.link!r}")
            if self._is_on_outline and spot.path not in self._mine:
                raise OutlineError(f"can't tell what {'/' + spot.path!r} is, to which {member.name!r} is a hard link")
            self.linked.update((path, spot.path))
            self._replacing(dir_fd, base, lambda: self._link(spot, dir_fd, base))

    def _link(self, spot: paths.Spot, dir_fd: int, base: str) -> None:
        try:
            os.link(spot.name, base, src_dir_fd=spot.dir_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EMLINK or not self._sharing:
                raise
            self._make_empty(dir_fd, base)  # the file that all share has no name left, and another is as good

    def _replacing(self, dir_fd: int, base: str, create: Callable[[], None]) -> None:
        try:
            create()
        except FileExistsError:
            self._remove(dir_fd, base)
            create()

    def _remove(self, dir_fd: int, base: str) -> None:
        if not stat.S_ISREG(os.stat(base, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            # A directory or a link to one may be part of the name of an open directory.
            self._forget()
        paths.remove(dir_fd, base)

    def _whiteout(self, dir_fd: int, directory: str, base: str) -> None:
        if base == OPAQUE:
            self._hide_content(dir_fd, directory)
        elif not base.startswith(_WHITEOUT_META):  # others are private to aufs
            hidden = base.removeprefix(WHITEOUT)
            if hidden in ("", ".", ".."):
                raise RootfsError(f"invalid tar entry {paths.join(directory, base)!r}: a whiteout of nothing")
            self._hide(dir_fd, hidden, paths.join(directory, hidden))

    def _hide(self, dir_fd: int, name: str, path: str) -> None:
        """Delete what lower layers have put there; a whiteout never hides an entry of its own layer."""
        if path not in self._mine:
            self._forget()
            paths.remove(dir_fd, name)
            return
        try:
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
        except (FileNotFoundError, NotADirectoryError):  # the archive itself may have put something else in its place
            return
        try:
            self._hide_content(fd, path)
        finally:
            os.close(fd)

    def _hide_content(self, dir_fd: int, path: str) -> None:
        for name in os.listdir(dir_fd):
            self._hide(dir_fd, name, paths.join(path, name))

    def _directory(self, name: str) -> tuple[int, str]:
        """Descriptor and link-free path of a directory as the archive names it; made if missing, kept open for the next."""
        known = self._open.get(name)
        if known is not None:
            return known
        if len(self._open) >= _OPEN_DIRECTORIES:
            self._forget()
        fd, path = paths.open_dir(self._root_fd, name, make=self._make_missing)
        self._open[name] = (fd, path)
        self._times.setdefault(path, os.fstat(fd).st_mtime_ns)
        while path and path not in self._mine:
            self._note(path)
            path = paths.split(path)[0]
        return self._open[name]

    def _make_missing(self, dir_fd: int, name: str, path: str) -> None:
        os.mkdir(name, 0o700, dir_fd=dir_fd)
        uid, gid = self._chown or (0, 0)
        self._owners.set(name, Meta(stat.S_IFDIR | 0o755, uid, gid, 0), dir_fd=dir_fd)

    def _forget(self) -> None:
        """Look all directories up anew; the descriptors stay open until the member at hand is done with them."""
        self._stale.extend(fd for fd, _ in self._open.values())
        self._open.clear()

    def _close_stale(self) -> None:
        while self._stale:
            os.close(self._stale.pop())


def _drop_xattrs(fd: int, *, but: Iterable[tuple[str, bytes]]) -> None:
    """Those that layers keep: a layer replaces the attributes of a directory that was there (OCI image spec, layer.md)."""
    new = dict(but)
    for name in list_xattrs(fd):
        if keeps_xattr(name) and name not in new:
            os.removexattr(fd, name)


def _clean(name: str) -> str:
    """The name relative to the root, `.` and `..` resolved as text; empty for the root.

    A name that leads above the root is refused.
    """
    if "//" not in name and "./" not in name and not name.endswith(("/.", "/..")) and name not in (".", ".."):
        return name.strip("/")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise RootfsError(f"invalid tar entry {name!r}: it leads out of the root")
            parts.pop()
        elif part and part != ".":
            parts.append(part)
    return "/".join(parts)


def _check_depth(path: str) -> None:
    if path.count("/") >= _DEPTH_LIMIT:
        raise RootfsError(f"invalid tar entry {path[:40]!r}…: it lies more than {_DEPTH_LIMIT} directories deep")


def _failure(name: str, error: OSError) -> BuilderError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RootfsError(
            f"no space left on the disk to unpack {name!r}", hint="give masu's directory more space, or another disk"
        )
    return RootfsError(f"can't unpack {name!r}: {error.strerror or error}")
