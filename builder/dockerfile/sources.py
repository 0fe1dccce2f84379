"""What COPY and ADD share: sources, a destination, owner and mode (BuildKit, dockerfile2llb/convert_copy.go)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace

from builder import ops
from builder.dockerfile.flags import Flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.heredoc import Heredoc, heredoc_word
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, not_built
from builder.dockerfile.scope import Applied, Scope

_SCP = re.compile(r"[a-zA-Z0-9\-_]+@[a-zA-Z0-9\-.]+:.*", re.DOTALL)
_OCTAL = re.compile(r"[0-7]+")
_SYMBOLIC = re.compile(r"[ugoa]*[-+=].*", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """As written, or expanded. `heredocs` are files given inline; `chown` and `chmod` may be empty."""

    paths: tuple[str, ...]
    heredocs: tuple[Heredoc, ...] = ()
    destination: str
    chown: str = ""
    chmod: str = ""

    @classmethod
    def parse(cls, line: Line, arguments: Arguments, flags: Flags) -> Sources:
        *paths, destination = arguments.words
        words = {path: heredoc_word(path) if line.heredocs else None for path in paths}
        if line.heredocs and heredoc_word(destination):
            raise Problem(f"{line.name} can't have a heredoc as its destination")
        bodies = {heredoc.name: heredoc.content for heredoc in line.heredocs}
        return cls(
            paths=tuple(path for path in paths if not words[path]),
            heredocs=tuple(replace(word, content=bodies.get(word.name, "")) for word in words.values() if word),
            destination=destination,
            chown=flags.text("chown"),
            chmod=flags.text("chmod"),
        )

    def expand(self, line: Line, scope: Scope) -> Sources:
        return replace(
            self,
            paths=tuple(scope.expand(line, path) for path in self.paths),
            destination=scope.expand(line, self.destination),
            chown=scope.expand(line, self.chown),
            chmod=scope.expand(line, self.chmod),
        )


def is_git(path: str) -> bool:
    """Whether BuildKit would clone it (dfgitutil/git_ref.go)."""
    url = path.partition("#")[0].partition("?")[0]
    return path.startswith(("git://", "ssh://")) or bool(_SCP.fullmatch(path)) or (_is_http(path) and url.endswith(".git"))


def is_remote(path: str) -> bool:
    return _is_http(path) or is_git(path)


def _is_http(path: str) -> bool:
    return path.startswith(("http://", "https://"))


def refuse_unbuilt(line: Line, files: Sources, flags: Flags) -> None:
    """`files` are expanded."""
    if files.heredocs:
        raise not_built(f"a heredoc in {line.name}")
    if flags.truth("link"):
        raise not_built(f"{line.name} --link")
    if flags.texts("exclude"):
        raise not_built(f"{line.name} --exclude")
    if _SYMBOLIC.fullmatch(files.chmod):
        raise not_built(f"{line.name} --chmod={files.chmod} (a symbolic mode)")


def applied(line: Line, files: Sources, scope: Scope, *, source: ops.CopyFrom, unpack: bool) -> Applied:
    """The Copy op and its history; `files` are expanded."""
    op = ops.Copy(
        source=source,
        paths=files.paths,
        destination=_absolute(files.destination, scope.working_dir),
        chown=files.chown or None,
        chmod=_mode(files.chmod) if files.chmod else None,
        unpack=unpack,
        location=line.location,
    )
    echoed = [f"--{name}={value}" for name, value in (("chown", files.chown), ("chmod", files.chmod)) if value]
    created_by = " ".join([line.name, *echoed, *files.paths, files.destination, "# buildkit"])
    return Applied(scope=scope, op=op, created_by=created_by)


def _absolute(destination: str, working_dir: str) -> str:
    """Dots are cleaned as text, before any link is followed; what means a directory ends in a slash (system.NormalizePath)."""
    joined = posixpath.normpath(f"/{posixpath.join(working_dir, destination).lstrip('/')}")
    is_directory = destination in ("", ".") or destination.endswith(("/", "/."))
    return joined.rstrip("/") + "/" if is_directory else joined


def _mode(text: str) -> int:
    if _OCTAL.fullmatch(text) and len(text) < 12 and int(text, 8) <= 0o7777:
        return int(text, 8)
    raise Problem(f"invalid mode --chmod={text}", hint="it is octal, from 0 to 07777")
