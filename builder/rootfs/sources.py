"""What a Copy op takes of its source: the entries that its paths stand for, without what is ignored."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from posixpath import normpath

from builder.errors import ContextError
from builder.matcher import Matcher
from builder.ops import Copy
from builder.rootfs import paths
from builder.rootfs.owner import Owners, Truth, stored_xattrs
from builder.rootfs.selection import Selection
from builder.rootfs.taking import Taking
from builder.rootfs.wildcards import expand, has_wildcards
from builder.values import dataclass, field


def _nothing(path: str) -> bool:
    return False


def _everything(path: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceTree:
    """Where COPY reads: a directory that paths can't leave.

    `owners` is the source rootfs's; None means a build context, whose files all belong to root. `ignored` says which paths
    (relative to the root) aren't there; `prunes` for which ignored directories this holds of all below. Hints name the
    `ignore_file`, or say what `withheld` has about the path. With `git_modes` the files of a build context have the modes that
    git knows, whatever umask they were checked out under; `is_private` says that it let their owner alone read them. Whole
    directories may go to `taking` instead of being copied, if there is one.
    """

    path: Path
    owners: Owners | None = None
    ignored: Callable[[str], bool] = _nothing
    prunes: Callable[[str], bool] = _everything
    ignore_file: str = ".dockerignore"
    withheld: Mapping[str, str] = field(default_factory=dict)
    git_modes: bool = False
    is_private: bool = False
    taking: Taking | None = None

    @property
    def shows_all(self) -> bool:
        """Whether nothing is ignored, as in every rootfs."""
        return self.ignored is _nothing

    def truth(self, status: os.stat_result, name: str, *, dir_fd: int) -> Truth:
        """Mode, owner and device number that the file has for COPY; `status` is lstat's."""
        if self.owners is not None:
            return self.owners.truth(status, name, dir_fd=dir_fd)
        return Truth(self.context_mode(status.st_mode), 0, 0, status.st_rdev)

    def context_mode(self, mode: int) -> int:
        """What a build context's file of this mode has for COPY."""
        return _as_in_git(mode, is_private=self.is_private) if self.git_modes else mode

    def xattrs(self, fd: int, status: os.stat_result) -> tuple[tuple[str, bytes], ...]:
        """The attributes of an open file that COPY keeps."""
        return stored_xattrs(fd) if self.owners is None else self.owners.xattrs(fd, status)

    def why_ignored(self, path: str) -> str:
        """What to tell whoever asks for an ignored path that is there."""
        return self.withheld.get(path) or f"it is there, but {self.ignore_file} excludes it"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A source tree, opened: `fd` is its root."""

    fd: int
    tree: SourceTree

    def exists(self, path: str) -> bool:
        """Whether ignore rules let a path of the source be there; an ignored directory is if something below it is."""
        if not path or not self.tree.ignored(path):
            return True
        if self.tree.prunes(path):
            return False
        try:
            with paths.opened(paths.open_strict(self.fd, path)) as fd:
                names = os.listdir(fd)
        except OSError:
            return False
        return any(self.exists(paths.join(path, name)) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One source: its `path` as named, wildcards replaced; `place`, the same without links; what of a directory is taken."""

    path: str
    place: str
    status: os.stat_result
    selection: Selection


def found(view: View, op: Copy, path: str) -> Iterator[Found]:
    """What `path`, one of the op's, stands for; wildcards may stand for nothing. Raises ContextError for what isn't there."""
    includes = None
    if op.parents:
        path, pattern = _at_pivot(path)
        includes = Matcher.of([pattern])
        if not has_wildcards(path) and not has_wildcards(pattern):
            _look_up(view, _clean(f"{path}/{pattern}"))
    selection = Selection(includes=includes, excludes=Matcher.of(op.exclude))
    for match in _matches(view, path):
        place, status = _look_up(view, match)
        yield Found(path=match, place=place, status=status, selection=selection)


def named(view: View, path: str) -> Found:
    """What is at `path`, all of whose characters mean themselves. Raises ContextError for what isn't there."""
    clean = _clean(path)
    place, status = _look_up(view, clean)
    return Found(path=clean, place=place, status=status, selection=Selection(excludes=Matcher()))


def _as_in_git(mode: int, *, is_private: bool) -> int:
    """0755 for directories and what its owner may execute, 0644 for other files (git-fast-import(1), "filemodify").

    What others may not read is no file of git's, unless none is: somebody has closed it, as a key.
    """
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or not (is_private or mode & 0o077):
        return mode
    return stat.S_IFMT(mode) | (0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)


def _matches(view: View, path: str) -> Iterator[str]:
    """Paths relative to the source's root."""
    clean = _clean(path)
    if not any(has_wildcards(part) for part in clean.split("/")):
        yield clean
        return
    try:
        yield from expand(view.fd, clean, wanted=view.exists)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_found(view, clean) from error


def _look_up(view: View, path: str) -> tuple[str, os.stat_result]:
    """Where a source really is, a link to it followed."""
    try:
        with paths.find(view.fd, path) as spot:
            status = spot.lstat()
            place = spot.path
    except (FileNotFoundError, NotADirectoryError):
        status = None
    except OSError as error:
        raise ContextError(f'"/{path}": {error.strerror}') from error
    if status is None or not view.exists(path) or not view.exists(place):
        raise _not_found(view, path, ignored=status is not None)
    return place, status


def _not_found(view: View, path: str, *, ignored: bool = False) -> ContextError:
    hint = view.tree.why_ignored(path) if ignored else ""
    return ContextError(f'"/{path}": not found', hint=hint)


def _at_pivot(path: str) -> tuple[str, str]:
    """What `--parents` makes of a source: the directory that it is below, and a pattern for what is copied of that."""
    directory, pivot, below = path.partition("/./")
    return (directory, _clean(below)) if pivot else ("/", _clean(path))


def _clean(path: str) -> str:
    """A source relative to the root of its tree; `..` stops there."""
    return normpath("/" + path).lstrip("/")
