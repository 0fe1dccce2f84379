"""The three Ops: every instruction that changes a filesystem is lowered to one of them, and each makes at most one layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where an instruction stands; lines are counted from 1, `end` is the last one."""

    file: str = "Dockerfile"
    start: int = 0
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.start}"


class Network(Enum):
    DEFAULT = "default"
    HOST = "host"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """Run `argv` (shell already put in front); `env` is the whole environment, `user` as USER has it (may be empty).

    `unkeyed_env` names the variables of `env` that cache keys leave out: proxy build arguments that no ARG declares.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    unkeyed_env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    network: Network = Network.DEFAULT
    location: Location = field(default_factory=Location)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromContext:
    """COPY's source is the build context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FromStage:
    """COPY's source is the finished filesystem of the stage with this index in the Dockerfile."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FromImage:
    """COPY's source is the filesystem of another image; `hint` is for the case that there is none."""

    reference: str
    hint: str = ""


CopyFrom = FromContext | FromStage | FromImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Copy `paths` (expanded, as written: wildcards and trailing slashes kept) to `destination`.

    `destination` is absolute and keeps a trailing slash (or `/.`), which means directory. `chown` is `user[:group]` or
    None, `chmod` an octal mode or None. `unpack` is ADD's habit of extracting local archives.
    """

    source: CopyFrom
    paths: tuple[str, ...]
    destination: str
    chown: str | None = None
    chmod: int | None = None
    unpack: bool = False
    location: Location = field(default_factory=Location)


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDir:
    """WORKDIR: make `path` (absolute) with all missing parents, 0755, owned by `user` (as USER has it)."""

    path: str
    user: str = ""
    location: Location = field(default_factory=Location)


Op = Exec | Copy | MakeDir
