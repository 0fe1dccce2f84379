"""ADD: COPY that also unpacks local archives and fetches URLs and git repositories."""

from __future__ import annotations

from typing import ClassVar

from builder import ops
from builder.dockerfile import forms, sources
from builder.dockerfile.flags import Flags, Kind, parse_flags
from builder.dockerfile.forms import Arguments
from builder.dockerfile.lines import Line
from builder.dockerfile.problem import Problem, needs_destination
from builder.dockerfile.scope import Applied, Scope
from builder.dockerfile.sources import Sources
from builder.errors import ImageError
from builder.giturl import GitUrl, check_checksum
from builder.image.digest import Digest
from builder.values import dataclass, replace

_FLAGS = {
    "chown": Kind.ONCE,
    "chmod": Kind.ONCE,
    "link": Kind.BOOLEAN,
    "keep-git-dir": Kind.BOOLEAN,
    "checksum": Kind.ONCE,
    "unpack": Kind.BOOLEAN,
    "exclude": Kind.LIST,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    form: ClassVar[forms.Form] = staticmethod(forms.json_or_words)
    line: Line
    files: Sources
    flags: Flags

    @classmethod
    def parse(cls, line: Line, arguments: Arguments) -> Add:
        if len(arguments.words) < 2:
            raise needs_destination(line.name)
        flags = parse_flags(line.flags, _FLAGS)
        files = Sources.parse(line, arguments, flags)
        return cls(line=line, files=files, flags=flags)

    def apply(self, scope: Scope) -> Applied:
        files = self.files.expand(self.line, scope)
        unpack = self.flags.truth("unpack")
        remotes = tuple((path, found) for path in files.paths if (found := sources.remote(path)))
        checksum = scope.expand(self.line, self.flags.text("checksum"))
        if checksum:
            _check_checksum(files, remotes)
        options = _Options(checksum=checksum, keep_git_dir=self.flags.truth("keep-git-dir"), unpack=bool(unpack))
        return sources.applied(
            self.line,
            files,
            scope,
            source=ops.FromContext(),
            unpack=unpack is not False,
            remotes=tuple((path, options.applied(found)) for path, found in remotes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    """What the flags say about sources that are fetched; a git URL may say the same."""

    checksum: str
    keep_git_dir: bool | None
    unpack: bool

    def applied(self, source: ops.Remote) -> ops.Remote:
        if isinstance(source, GitUrl):
            return self._to_git(source)
        if self.checksum:
            try:
                Digest.parse(self.checksum)
            except ImageError as error:
                raise Problem(error.message, hint=error.hint) from error
        return replace(source, checksum=self.checksum, unpack=self.unpack)

    def _to_git(self, url: GitUrl) -> GitUrl:
        if self.keep_git_dir is not None and url.keep_git_dir is not None and self.keep_git_dir != url.keep_git_dir:
            raise Problem("inconsistent keep-git-dir configuration: the flag and the URL differ")
        if self.checksum and url.checksum and self.checksum != url.checksum:
            raise Problem(f"checksum mismatch {self.checksum!r} != {url.checksum!r}: the flag and the URL differ")
        try:
            check_checksum(self.checksum)
        except ValueError as error:
            raise Problem(str(error)) from error
        keep = self.keep_git_dir if url.keep_git_dir is None else url.keep_git_dir
        return replace(url, keep_git_dir=keep, checksum=url.checksum or self.checksum)


def _check_checksum(files: Sources, remotes: tuple[tuple[str, ops.Remote], ...]) -> None:
    if len(files.paths) != 1:
        raise Problem("checksum can't be specified for multiple sources")
    if not remotes:
        raise Problem("checksum requires HTTP(S) or Git sources")
