"""The build context: a read-only tree and the rules that say what of it isn't there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from builder.context.ignore import IgnoreRules


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
