"""What COPY and ADD share: sources, a destination, owner and mode (BuildKit, dockerfile2llb/convert_copy.go)."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote, urlsplit

from builder import ops
from builder.dockerfile.flags import Flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.heredoc import Heredoc, file_name, heredoc_word
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem
from builder.dockerfile.scope import Applied, Scope
from builder.errors import ContextError
from builder.giturl import parse_git_url
from builder.matcher import Matcher
from builder.modes import Change
from builder.values import dataclass, replace

_NO_NAME = re.compile(r"root|[-+]?[0-9]*")
_UNNAMED = "__unnamed__"
_BAD_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """As written, or expanded. `heredocs` are files given inline; `chown` and `chmod` may be empty."""

    paths: tuple[str, ...]
    heredocs: tuple[Heredoc, ...] = ()
    destination: str
    chown: str = ""
    chmod: str = ""
    exclude: tuple[str, ...] = ()
    parents: bool = False
    link: bool = False

    @classmethod
    def parse(cls, line: Line, arguments: Arguments, flags: Flags) -> Sources:
        *paths, destination = arguments.words
        if heredoc_word(destination):
            raise Problem(f"{line.name} can't have a heredoc as its destination")
        words = [(path, heredoc_word(path)) for path in paths]
        bodies = {heredoc.name: heredoc.content for heredoc in line.heredocs}
        return cls(
            paths=tuple(path for path, word in words if not word),
            heredocs=tuple(replace(word, content=bodies.get(word.name, "")) for _, word in words if word),
            destination=destination,
            chown=flags.text("chown"),
            chmod=flags.text("chmod"),
            exclude=flags.texts("exclude"),
            parents=bool(flags.truth("parents")),
            link=bool(flags.truth("link")),
        )

    def expand(self, line: Line, scope: Scope) -> Sources:
        return replace(
            self,
            paths=tuple(scope.expand(line, path) for path in self.paths),
            heredocs=tuple(scope.expand_heredoc(line, heredoc) for heredoc in self.heredocs),
            destination=scope.expand(line, self.destination),
            chown=scope.expand(line, self.chown),
            chmod=scope.expand(line, self.chmod),
        )


def remote(path: str) -> ops.Remote | None:
    """What an argument of ADD names that isn't a local path; None if it is one. Raises Problem."""
    try:
        url = parse_git_url(path)
    except ContextError as error:
        raise Problem(error.message, hint=error.hint) from error
    if url is None and path.startswith(("http://", "https://")):
        return ops.FromUrl(url=path, name=_file_name(path))
    return url


def _file_name(url: str) -> str:
    """The last part of the URL's path, as BuildKit takes it."""
    escaped = _path_of(url)
    if _BAD_ESCAPE.search(escaped):
        return _UNNAMED
    name = unquote(escaped, errors="surrogateescape").rstrip("/").rpartition("/")[2]
    if name == ".." or "\0" in name:
        raise Problem(f"no file can be called {name!r}, as the URL says")
    return _UNNAMED if name in ("", ".") else name


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError as error:
        raise Problem(f"invalid URL: {error}") from error


def applied(
    line: Line,
    files: Sources,
    scope: Scope,
    *,
    source: ops.CopyFrom,
    unpack: bool,
    remotes: tuple[tuple[str, ops.Remote], ...] = (),
) -> Applied:
    """The Copy op and its history; `files` are expanded."""
    _check_mode(files.chmod)
    _check_patterns(files)
    link = files.link and not files.chmod  # BuildKit can't do both, and does without --link
    if link:
        _check_owner(files.chown)
    op = ops.Copy(
        source=source,
        paths=files.paths,
        files=tuple(ops.InlineFile(name=file_name(heredoc), content=heredoc.body) for heredoc in files.heredocs),
        destination=_absolute(files.destination, scope.working_dir),
        chown=files.chown or None,
        chmod=files.chmod or None,
        unpack=unpack,
        exclude=files.exclude,
        parents=files.parents,
        link=link,
        remotes=remotes,
        location=line.location,
    )
    return Applied(scope=scope, op=op, created_by=_history(line, files))


def _history(line: Line, files: Sources) -> str:
    parents = ["--parents"] if files.parents else []
    echoed = [f"--{name}={value}" for name, value in (("chown", files.chown), ("chmod", files.chmod)) if value]
    heredocs = [f"<<{heredoc.name}" for heredoc in files.heredocs]
    return " ".join([line.name, *parents, *echoed, *files.paths, *heredocs, files.destination, "# buildkit"])


def _check_mode(chmod: str) -> None:
    try:
        if chmod:
            Change.parse(chmod)
    except ValueError:
        raise Problem(f"invalid mode --chmod={chmod}", hint="it is octal, from 0 to 07777, or as in u=rwX,go=rX") from None


def _check_patterns(files: Sources) -> None:
    for pattern in files.exclude:
        try:
            Matcher.of([pattern])
        except ValueError as error:
            raise Problem(f"malformed pattern --exclude={pattern}: {error}") from error


def _check_owner(chown: str) -> None:
    """With --link there is no /etc/passwd to look names up in; `root` is known without."""
    if not all(_NO_NAME.fullmatch(part) for part in chown.split(":", 1)):
        raise Problem(
            f"--chown={chown} can't be looked up with --link, which copies apart from the image",
            hint="give numbers, as in --chown=1000:1000, or leave out --link",
        )


def _absolute(destination: str, working_dir: str) -> str:
    """Dots are cleaned as text, before any link is followed; what means a directory ends in a slash (system.NormalizePath)."""
    joined = posixpath.normpath(f"/{posixpath.join(working_dir, destination).lstrip('/')}")
    is_directory = destination in ("", ".") or destination.endswith(("/", "/."))
    return joined.rstrip("/") + "/" if is_directory else joined
