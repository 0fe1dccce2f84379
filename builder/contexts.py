"""Opens the trees that a build reads: the main build context wherever it is, named contexts, and what ADD fetches."""

from __future__ import annotations

import io
import os
import posixpath
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from builder.context import Archive, Means, Origin, Tree, source_of
from builder.context.local import IGNORE_FILE, open_directory
from builder.context.rewindable import Rewindable
from builder.errors import BuilderError, ContextError
from builder.giturl import GitUrl, parse_git_context, parse_git_url
from builder.image.digest import Digest
from builder.ops import SCRATCH, FromUrl, Remote
from builder.rootfs import Owners, SourceTree, paths
from builder.rootfs.decompress import CHUNK, is_compressed
from builder.rootfs.unpack import extract_archive, is_archive
from builder.values import dataclass, field, replace
from builder.web import shown

if TYPE_CHECKING:
    from builder.context.http import Web

HTTP_NAME = "context"
"""What BuildKit calls the one file of a context that is a URL (dockerui/context.go)."""
DOCKERFILE_LIMIT = 16 << 20
"""Bytes of a Dockerfile."""

_PREFIXES = {"-": "tar", "tar://": "tar", "dir://": "local", "gs://": "gs", "s3://": "s3"}
_REMOTE = frozenset({"git", "http", "azure"})
_NOTHING = f"docker-image://{SCRATCH}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The main build context: a directory; `owners` None: all is root's.

    `is_ours`: a directory of this machine, whose links may lead anywhere. `has_rules`: its ignore file counts. `dockerfile` is
    the file that it was given as, `is_given` if that isn't part of it. `origin` is known of repositories. `time` is that of the
    commit, or what came with an archive (seconds since the epoch); None if it has none of its own.
    """

    path: Path
    owners: Owners | None = None
    is_ours: bool = False
    has_rules: bool = False
    dockerfile: str = ""
    is_given: bool = False
    origin: Origin | None = None
    time: Callable[[], int | None] = lambda: None


@dataclass(slots=True, kw_only=True)
class Contexts:
    """Each is fetched once, at its first use, into `directory`; `named` has what `--build-context` says, but for images."""

    directory: Path
    means: Means
    named: Mapping[str, str] = field(default_factory=dict)
    _known: dict[object, tuple[SourceTree, Origin | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remote(self, source: Remote) -> SourceTree:
        """The tree with what ADD fetches: one file of its name, or the content of a repository. Raises ContextError."""
        return self._once(source, lambda: self._git(source) if isinstance(source, GitUrl) else self._url(source))

    def origin_of(self, source: Remote | str) -> Origin | None:
        """Where what ADD, or a named context, has fetched came from; None if nothing was."""
        with self._lock:
            return self._known[source][1] if source in self._known else None

    def put(self, url: str, data: bytes) -> None:
        """Send a small text to a URL. Raises ContextError."""
        self._web().put(url, data)

    def check_named(self) -> None:
        """Raises ContextError for a directory that isn't there, whether a stage uses it or not; so does docker."""
        for name, text in self.named.items():
            if _is_local(text):
                try:
                    open_directory(Path(text))
                except ContextError as error:
                    error.locate(f"context {name}")
                    raise

    def named_context(self, name: str) -> SourceTree:
        """The tree of a named context that isn't an image. Raises ContextError."""
        return self._once(name, lambda: self._open_named(name, _NOTHING if name == SCRATCH else self.named[name]))

    def open(self, text: str, *, sub_path: str = "") -> Opened:
        """The main build context, in all the forms that SOURCES has, or a directory below it. Raises ContextError."""
        kind = _kind(text)
        source = source_of(kind, self.means)
        with _about(text, kind):
            fetched = source.fetch(text, self._new_directory(is_shown=True))
            opened = self._unpacked(fetched) if isinstance(fetched, Archive) else _tree(fetched)
            if not sub_path:
                return opened
            if opened.dockerfile:
                raise ContextError(f"--context-sub-path {sub_path!r}: the build context is a Dockerfile and has no directories")
            return _below(opened, sub_path)

    def read(self, url: str) -> bytes:
        """A Dockerfile from the web. Raises ContextError."""
        with self._web().open(url) as stream:
            return read_dockerfile(stream, shown(url))

    def _unpacked(self, archive: Archive) -> Opened:
        """The tree in an archive, its owners kept, unpacked as it comes; nothing is stored but what is in it."""
        rewindable = Rewindable(archive.stream)
        with archive.stream:
            is_tar = is_archive(cast(BinaryIO, rewindable))
            rewindable.rewind()
            stream = io.BufferedReader(rewindable, CHUNK)
            directory = self._new_directory(is_shown=True)
            if not is_tar:
                return self._lone_dockerfile(archive, stream, directory)
            owners = Owners(self.directory)
            with paths.opened_root(directory) as fd:
                extract_archive(fd, "", stream, owners)
        time = partial(_time_of, archive, directory)
        return Opened(path=directory, owners=owners, has_rules=archive.has_rules, time=time)

    def _lone_dockerfile(self, archive: Archive, stream: BinaryIO, directory: Path) -> Opened:
        start = stream.read(8)
        if not archive.may_be_dockerfile or is_compressed(start):
            problem = "it is damaged, or no tar archive is in it" if is_compressed(start) else "it is no tar archive"
            raise ContextError(problem, hint="make it with tar; gzip, bzip2, xz or zstd may compress it")
        data = start + read_dockerfile(stream, "it")
        file = directory / HTTP_NAME
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as output:
            output.write(data)
        os.utime(file, (archive.modified(), archive.modified()))
        return Opened(path=directory, dockerfile=HTTP_NAME, is_given=archive.is_given, time=lambda: archive.modified() or None)

    def _once(self, key: object, make: Callable[[], tuple[SourceTree, Origin | None]]) -> SourceTree:
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            return self._known[key][0]

    def _open_named(self, name: str, text: str) -> tuple[SourceTree, Origin | None]:
        url = parse_git_url(text)
        if url is not None:
            return self._git(url, is_shown=True)
        if text.startswith(("http://", "https://")):
            return self._url(FromUrl(url=text, name=HTTP_NAME), is_shown=True)
        if text == _NOTHING:
            return SourceTree(path=self._new_directory(is_shown=True)), None
        context = open_directory(Path(text))
        ignore_file = f"{IGNORE_FILE} of the context {name!r}"
        tree = SourceTree(path=context.path, ignored=context.ignored, prunes=context.prunes, ignore_file=ignore_file)
        return tree, None

    def _web(self) -> Web:
        from builder.context.http import Web

        means = self.means
        return Web(means.env, user_agent=means.user_agent, secret=means.secret, retry=means.retry)

    def _url(self, source: FromUrl, *, is_shown: bool = False) -> tuple[SourceTree, Origin]:
        directory = self._new_directory(is_shown=is_shown)
        checksum = Digest.parse(source.checksum) if source.checksum else None
        origin = self._web().download(source.url, directory / source.name, checksum=checksum)
        return SourceTree(path=directory), origin

    def _git(self, url: GitUrl, *, is_shown: bool = False) -> tuple[SourceTree, Origin]:
        from builder.context.git import Git

        directory = self._new_directory(is_shown=is_shown)
        origin = Git(self.means.env, secret=self.means.secret).check_out(url, directory)
        return SourceTree(path=_inner(directory, url.subdir)), origin

    def empty(self) -> Path:
        """A directory with nothing in it."""
        return self._new_directory(is_shown=True)

    def _new_directory(self, *, is_shown: bool = False) -> Path:
        """`is_shown`: a mount may show it to any user, to whom it is open; nobody else gets as far as here."""
        self.directory.mkdir(exist_ok=True)
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        if is_shown:
            directory.chmod(0o755)
        return directory


def read_dockerfile(stream: BinaryIO, name: str) -> bytes:
    """All of it; raises ContextError when it is too long to be one."""
    data = stream.read(DOCKERFILE_LIMIT + 1)
    if len(data) > DOCKERFILE_LIMIT:
        raise ContextError(f"{name} is too large for a Dockerfile: more than {DOCKERFILE_LIMIT >> 20} MiB")
    return data


def _kind(text: str) -> str:
    """Which of SOURCES a text means. Raises ContextError."""
    known = next(
        (kind for prefix, kind in _PREFIXES.items() if text == prefix or (prefix != "-" and text.startswith(prefix))), ""
    )
    if known:
        return known
    if text.startswith("https://") and _is_blob(text):
        return "azure"
    if not Path(text).exists() and parse_git_context(text, method="https") is not None:
        return "git"
    if text.startswith(("http://", "https://")):
        return "http"
    if "://" not in text:
        return "local"
    hint = "give a directory, a git URL, an archive by https://, gs://, s3:// or tar://, or - for one on standard input"
    raise ContextError(f"there are no build contexts like {shown(text)!r}", hint=hint)


def _is_blob(url: str) -> bool:
    from builder.context.azure import is_blob

    return is_blob(url)


@contextmanager
def _about(text: str, kind: str) -> Iterator[None]:
    """Errors say which context they are about."""
    name = shown(text) if kind in _REMOTE else text
    try:
        yield
    except BuilderError as error:
        if kind != "local":
            error.message = error.message.removeprefix(f"{name}: ")
            error.locate(f"can't fetch the build context {name!r}")
        raise


def _tree(tree: Tree) -> Opened:
    path = _inner(tree.root, tree.subdir)
    origin = tree.origin
    return Opened(
        path=path, is_ours=tree.is_ours, has_rules=tree.has_rules, origin=origin, time=lambda: origin.time if origin else None
    )


def _time_of(archive: Archive, directory: Path) -> int | None:
    """What the server says, else that of the newest file."""
    names = (os.path.join(path, name) for path, _, files in os.walk(directory) for name in files)
    return archive.modified() or max((int(os.lstat(name).st_mtime) for name in names), default=None)


def _below(opened: Opened, sub_path: str) -> Opened:
    if posixpath.normpath(sub_path.lstrip("/")).split("/")[0] == "..":
        raise ContextError(f"--context-sub-path {sub_path!r} leads out of the build context")
    return replace(opened, path=_inner(opened.path, sub_path, what=f"--context-sub-path {sub_path!r}"))


def _inner(root: Path, subdir: str, *, what: str = "") -> Path:
    """A directory below `root`, whatever links lead to it. Raises ContextError."""
    if not subdir:
        return root
    with paths.opened_root(root) as fd:
        try:
            subdir_fd, found = paths.open_dir(fd, subdir)
        except OSError as error:
            raise ContextError(f"{what or f'subdirectory {subdir!r} of the git repository'}: {error.strerror}") from error
        os.close(subdir_fd)
    return root / found


def _is_local(text: str) -> bool:
    return "://" not in text and parse_git_url(text) is None
