"""Archives of this machine: `tar://FILE`, and standard input as `-` (docker's) or `tar://stdin` (Kaniko's)."""

from __future__ import annotations

from pathlib import Path

from builder.context.source import Archive, Means
from builder.errors import ContextError

SCHEME = "tar://"


class Tarball:
    def __init__(self, means: Means) -> None:
        self._means = means

    def fetch(self, text: str, directory: Path) -> Archive:
        if text in ("-", f"{SCHEME}stdin"):
            if self._means.stdin.isatty():
                raise ContextError("standard input is a terminal", hint="pipe the archive into masu: tar -cz . | masu build -")
            return Archive(stream=self._means.stdin, has_rules=text != "-", may_be_dockerfile=text == "-", is_given=True)
        path = Path(text.removeprefix(SCHEME))
        if not path.is_file():
            raise ContextError(f"there is no file {str(path)!r}", hint="write tar:// and the path of an archive, or tar://stdin")
        try:
            return Archive(stream=path.open("rb", buffering=0))
        except OSError as error:
            raise ContextError(f"can't read {str(path)!r}: {error.strerror}") from error
