"""A build context in a local directory."""

from __future__ import annotations

from pathlib import Path

from builder.context import BuildContext
from builder.context.ignore import IgnoreRules
from builder.errors import ContextError

IGNORE_FILE = ".dockerignore"


def open_directory(directory: Path, *, dockerfile: Path | None = None) -> BuildContext:
    """The context in `directory`; the ignore file `<dockerfile>.dockerignore` goes before `<directory>/.dockerignore`.

    Raises ContextError when there is no such directory, or the ignore file is malformed.
    """
    if not directory.is_dir():
        problem = "is not a directory" if directory.exists() else "does not exist"
        raise ContextError(f"the build context {str(directory)!r} {problem}", hint="give the directory that COPY reads from")
    own = dockerfile.with_name(dockerfile.name + IGNORE_FILE) if dockerfile else None
    for file in (own, directory / IGNORE_FILE):
        if file is not None and (data := _read(file)) is not None:
            return BuildContext(path=directory, rules=IgnoreRules.parse(data, file=file.name))
    return BuildContext(path=directory)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ContextError(f"can't read {str(file)!r}: {error.strerror}") from error
