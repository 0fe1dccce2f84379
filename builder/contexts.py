"""Opens the trees that a build reads from elsewhere: URLs and repositories, as sources of ADD and as build contexts."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from builder.context.git import Git
from builder.context.local import IGNORE_FILE, open_directory
from builder.errors import ContextError
from builder.giturl import GitUrl, parse_git_url
from builder.image.digest import Digest
from builder.ops import FromUrl, Remote
from builder.rootfs import Owners, SourceTree, paths
from builder.rootfs.unpack import extract_archive, is_archive

if TYPE_CHECKING:
    from builder.context.http import Web

_TAR = "tar://"
HTTP_NAME = "context"
"""What BuildKit calls the one file of a context that is a URL (dockerui/context.go)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A build context from elsewhere; `dockerfile` is the name of the one it was given as, else empty."""

    tree: SourceTree
    dockerfile: str = ""


@dataclass(slots=True, kw_only=True)
class Contexts:
    """Each is fetched once, at its first use, into `directory`; `named` has what `--build-context` says, but for images."""

    directory: Path
    web: Callable[[], Web]
    git: Git
    named: Mapping[str, str] = field(default_factory=dict)
    _known: dict[object, SourceTree] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def remote(self, source: Remote) -> SourceTree:
        """The tree with what ADD fetches: one file of its name, or the content of a repository. Raises ContextError."""
        return self._once(source, lambda: self._git(source) if isinstance(source, GitUrl) else self._url(source))

    def put(self, url: str, data: bytes) -> None:
        """Send a small text to a URL. Raises ContextError."""
        self.web().put(url, data)

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
        return self._once(name, lambda: self._open_named(name, self.named[name]))

    def open(self, text: str, *, keep_git_dir: bool = False, stdin: BinaryIO) -> Opened | None:
        """The main build context if `text` isn't a directory: a git repository, a URL of an archive or a Dockerfile, or `-`.

        Ignore files count for directories only. Raises ContextError.
        """
        url = parse_git_url(text, bare_github=True) if not Path(text).exists() else None
        if url is not None:
            return Opened(tree=self._git(replace(url, keep_git_dir=url.keep_git_dir or keep_git_dir)))
        if text == "-" or text == f"{_TAR}stdin":
            return self._unpacked(self._saved(stdin))
        if text.startswith(_TAR):
            return self._unpacked(Path(text.removeprefix(_TAR)))
        if text.startswith(("http://", "https://")):
            return self._unpacked(self._url(FromUrl(url=text, name=HTTP_NAME)).path / HTTP_NAME)
        return None

    def _unpacked(self, file: Path) -> Opened:
        """The tree in an archive, its owners kept; anything else is taken for a Dockerfile."""
        try:
            with file.open("rb") as stream:
                if not is_archive(stream):
                    return Opened(tree=SourceTree(path=file.parent), dockerfile=file.name)
                stream.seek(0)
                directory = self._new_directory()
                owners = Owners(self.directory)
                with paths.opened_root(directory) as fd:
                    extract_archive(fd, "", stream, owners)
        except OSError as error:
            raise ContextError(f"can't read the build context {str(file)!r}: {error.strerror}") from error
        return Opened(tree=SourceTree(path=directory, owners=owners))

    def _saved(self, stream: BinaryIO) -> Path:
        file = self._new_directory() / HTTP_NAME
        with file.open("wb") as output:
            shutil.copyfileobj(stream, output, 1 << 20)
        return file

    def _once(self, key: object, make: Callable[[], SourceTree]) -> SourceTree:
        with self._lock:
            if key not in self._known:
                self._known[key] = make()
            return self._known[key]

    def _open_named(self, name: str, text: str) -> SourceTree:
        url = parse_git_url(text)
        if url is not None:
            return self._git(url)
        if text.startswith(("http://", "https://")):
            return self._url(FromUrl(url=text, name=HTTP_NAME))
        if text == "docker-image://scratch":
            return SourceTree(path=self._new_directory())
        context = open_directory(Path(text))
        return SourceTree(
            path=context.path,
            ignored=context.ignored,
            prunes=context.prunes,
            ignore_file=f"{IGNORE_FILE} of the context {name!r}",
        )

    def _url(self, source: FromUrl) -> SourceTree:
        directory = self._new_directory()
        checksum = Digest.parse(source.checksum) if source.checksum else None
        self.web().download(source.url, directory / source.name, checksum=checksum)
        return SourceTree(path=directory)

    def _git(self, url: GitUrl) -> SourceTree:
        directory = self._new_directory()
        self.git.check_out(url, directory)
        with paths.opened_root(directory) as fd:
            try:
                subdir_fd, subdir = paths.open_dir(fd, url.subdir)
            except OSError as error:
                raise ContextError(f"subdirectory {url.subdir!r} of the git repository: {error.strerror}") from error
            os.close(subdir_fd)
        return SourceTree(path=directory / subdir)

    def empty(self) -> Path:
        """A directory with nothing in it."""
        return self._new_directory()

    def _new_directory(self) -> Path:
        self.directory.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.directory))


def _is_local(text: str) -> bool:
    return "://" not in text and parse_git_url(text) is None
