"""What the parts of the generator share: the dice, the names, and what is known to lie where."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

T = TypeVar("T")

PLAIN_NAMES = ("a", "b.txt", "c", "d", "conf", "lib", "x.tar", "src", "main.py", "README", "sub", "deep", "keep", "tmp.log", "z")
ODD_NAMES = (
    "with space", " lead", "trail ", "größe", "☃", "日本", "-dash", "--from", "...", ".hidden", "..x", "[1]", "a[b", "st*r", "q?",
    "new\nline", "tab\there", "quo'te", 'dou"ble', "back\\slash", "semi;colon", "$dollar", "#hash", "!bang", "a=b", "{c}", "%s",
    "e\u0301", "x" * 120, ".wh", "~", "comma,ed", "`tick", "\\",
)  # fmt: skip
MODES = ("644", "600", "755", "700", "777", "4755", "2755", "1777", "444", "111", "6711", "2750")
"""Never without read permission for the owner: as root both builders read them anyway, but it says nothing new."""

_BASE_DIRECTORIES = (
    "/data",
    "/data/dir",
    "/data/dir/sub",
    "/data/empty",
    "/data/opaque",
    "/srv",
    "/home/app",
    "/usr/local",
    "/tmp",
)
_BASE_FILES = ("/data/file", "/data/dir/a", "/data/dir/b", "/data/dir/sub/c", "/data/opaque/new", "/home/app/profile")
_BASE_LINKS = ("/data/link", "/data/dirlink", "/data/absolute", "/data/escaping", "/data/dangling", "/data/loop")


@dataclass(slots=True, kw_only=True)
class Tree:
    """What probably exists: paths from the root of the context (`a/b`) or of a stage (`/a/b`). Names with hard links begin with
    `hard`, and what a RUN moves is called `moved…`: tests/fuzz/known.py relies on it."""

    directories: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    @classmethod
    def of_base(cls) -> Tree:
        return cls(directories=list(_BASE_DIRECTORIES), files=list(_BASE_FILES), links=list(_BASE_LINKS))

    def copy(self) -> Tree:
        return Tree(directories=list(self.directories), files=list(self.files), links=list(self.links))

    def everything(self) -> list[str]:
        return [*self.directories, *self.files, *self.links]

    def remove(self, path: str) -> None:
        for names in (self.directories, self.files, self.links):
            names[:] = [name for name in names if name != path and not name.startswith(f"{path}/")]

    def below(self, path: str) -> Tree:
        """The same, as seen from `path`."""
        prefix = f"{path}/" if path else ""
        cut = [[name.removeprefix(prefix) for name in names if name.startswith(prefix)] for names in self._lists()]
        return Tree(directories=cut[0], files=cut[1], links=cut[2])

    def put(self, path: str, other: Tree) -> None:
        """`other`, whose paths are relative, lies at `path` as well."""
        for mine, theirs in zip(self._lists(), other._lists(), strict=True):
            mine += [f"{path.rstrip('/')}/{name.lstrip('/')}" for name in theirs]

    def _lists(self) -> tuple[list[str], list[str], list[str]]:
        return self.directories, self.files, self.links


@dataclass(slots=True, kw_only=True)
class Draft:
    """A case that is being made up; `stage` is what lies in the stage at hand, `stages` what lay in the named ones before."""

    rng: Random
    escape: str = "\\"
    runs: bool = True
    context: Tree = field(default_factory=Tree)
    stage: Tree = field(default_factory=Tree.of_base)
    stages: dict[str, Tree] = field(default_factory=dict)
    _number: int = 0

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def pick(self, items: Sequence[T]) -> T:
        return self.rng.choice(items)

    def some(self, items: Sequence[T], most: int) -> list[T]:
        """One to `most` of them, in a random order."""
        return self.rng.sample(items, self.rng.randint(1, max(1, min(most, len(items)))))

    def name(self, *, odd: float = 0.25) -> str:
        return self.pick(ODD_NAMES) if self.chance(odd) else self.pick(PLAIN_NAMES)

    def number(self) -> int:
        self._number += 1
        return self._number

    def new_path(self) -> str:
        """An absolute path where nothing is yet, its parent there or not."""
        last = f"n{self.number()}" if self.chance(0.8) else f"{self.number()}{self.name()}"
        parent = (
            self.pick(self.stage.directories)
            if self.stage.directories and self.chance(0.6)
            else self.pick(("", "/made", "/made/deep er"))
        )
        return f"{parent}/{last}"


def shell(text: str) -> str:
    """As one word of a shell script, on one line."""
    if "\n" not in text:
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n")
    return f'"$(printf {shlex.quote(escaped)})"'
