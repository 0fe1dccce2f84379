"""A build context in a local directory."""

from __future__ import annotations

from pathlib import Path

from builder.context.ignore import IgnoreRules
from builder.context.source import Means, Tree
from builder.errors import ContextError, hint_of
from builder.values import dataclass, field

IGNORE_FILE = ".dockerignore"
SCHEME = "dir://"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """`path` is a directory, wherever its content came from; paths below are relative to it and never begin with a slash."""

    path: Path
    rules: IgnoreRules = field(default_factory=IgnoreRules)

    def ignored(self, path: str) -> bool:
        """Whether COPY doesn't see this file or directory; something below a directory may still be visible."""
        return self.rules.ignored(path)

    def prunes(self, path: str) -> bool:
        """Whether nothing below this ignored directory can be visible, so that it needn't be read."""
        return self.rules.prunes(path)

    @property
    def ignore_file(self) -> str:
        """The file with the rules, as messages name it; empty without rules."""
        return self.rules.file


class Local:
    def __init__(self, means: Means) -> None:
        pass

    def fetch(self, text: str, directory: Path) -> Tree:
        path = Path(text.removeprefix(SCHEME))
        if not path.is_dir():
            hint = "give the directory that COPY reads from"
            raise ContextError(f"the build context {str(path)!r} is not a directory", hint=hint)
        return Tree(root=path, is_ours=True, has_rules=True)


def open_directory(directory: Path, *, dockerfile: Path | None = None) -> BuildContext:
    """The context in `directory`; the ignore file `<dockerfile>.dockerignore` goes before `<directory>/.dockerignore`.

    Raises ContextError when there is no such directory, or the ignore file is malformed.
    """
    if not directory.is_dir():
        problem = "is not a directory" if directory.exists() else "does not exist"
        raise ContextError(f"the build context {str(directory)!r} {problem}", hint="give the directory that COPY reads from")
    rules = rules_beside(dockerfile) if dockerfile else None
    return BuildContext(path=directory, rules=rules or _rules(directory / IGNORE_FILE) or IgnoreRules())


def rules_beside(dockerfile: Path) -> IgnoreRules | None:
    """What `<dockerfile>.dockerignore` says, if there is one. Raises ContextError when it is malformed."""
    return _rules(dockerfile.with_name(dockerfile.name + IGNORE_FILE))


def _rules(file: Path) -> IgnoreRules | None:
    data = _read(file)
    return None if data is None else IgnoreRules.parse(data, file=file.name)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ContextError(f"can't read {str(file)!r}: {error.strerror}", hint=hint_of(error)) from error
