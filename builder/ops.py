"""The three Ops: every instruction that changes a filesystem is lowered to one of them, and each makes at most one layer."""

from __future__ import annotations

from enum import Enum
from typing import TypeGuard

from builder.giturl import GitUrl
from builder.values import dataclass, field

PIPES = "/dev/pipes"
"""Where a RUN finds its own script."""


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
class InlineFile:
    """A file whose content stands in the Dockerfile (UTF-8, other bytes as surrogate escapes); `name` has no slash."""

    name: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """Run `argv` (shell already put in front); `env` is the whole environment, `user` as USER has it (may be empty).

    `unkeyed_env` names the variables of `env` that cache keys leave out: proxy build arguments that no ARG declares. `script`
    is in PIPES, which only this command sees; so are `mounts`, in the order in which they are mounted. `insecure`: with all
    capabilities and an open /proc and /sys, if the build allows that.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    unkeyed_env: tuple[str, ...] = ()
    cwd: str = "/"
    user: str = ""
    network: Network = Network.DEFAULT
    script: InlineFile | None = None
    mounts: tuple[Mount, ...] = ()
    insecure: bool = False
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


SCRATCH = "scratch"


@dataclass(frozen=True, slots=True, kw_only=True)
class FromNamedContext:
    """COPY's source is the context that `--build-context` gives this name, which isn't an image; SCRATCH, which it can't give, is
    one without anything.
    """

    name: str


CopyFrom = FromContext | FromStage | FromImage | FromNamedContext


class Sharing(Enum):
    """What happens when two commands want the same cache directory at a time."""

    SHARED = "shared"
    PRIVATE = "private"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Mode bits and owner of what a mount shows."""

    mode: int
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BindMount:
    """`path` of `source` is seen at `target`; what a command writes there, unless `read_only`, is forgotten."""

    target: str
    source: CopyFrom = field(default_factory=FromContext)
    path: str = "/"
    read_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheMount:
    """A directory that lives on between builds under its `id`.

    It begins as a copy of `source`, or empty and with `access` (None: root's, 0755); `path` is what of it is seen.
    """

    target: str
    id: str
    sharing: Sharing = Sharing.SHARED
    source: CopyFrom | None = None
    path: str = "/"
    access: Access | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TmpfsMount:
    """Files in memory, `size` bytes at most (0: as the kernel thinks fit)."""

    target: str
    size: int = 0
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretMount:
    """A secret as a file at `target`, as the variable `env`, or both; left out if nobody gave it and it isn't `required`."""

    id: str
    target: str | None
    env: str | None = None
    required: bool = False
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class SshMount:
    """The socket of an ssh agent at `target`; left out if there is none and not `required`."""

    id: str
    target: str
    required: bool = False
    access: Access


Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount


@dataclass(frozen=True, slots=True, kw_only=True)
class FromUrl:
    """ADD's source is a file fetched by HTTP, called `name`; `checksum` is its digest or empty. `unpack`: if it is an archive."""

    url: str
    name: str
    checksum: str = ""
    unpack: bool = False


Remote = FromUrl | GitUrl
"""What ADD fetches from elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Copy `paths` (expanded, as written: wildcards and trailing slashes kept), then `files`, to `destination`.

    `destination` is absolute and keeps a trailing slash (or `/.`), which means directory. `chown` is `user[:group]` or
    None, `chmod` a mode as modes.py reads it or None. `unpack` is ADD's habit of extracting local archives. `exclude` has
    patterns for what lies in copied directories, relative to these. With `parents` the paths are patterns, and the directories on
    the way to what matches (from `/./` on, if there is one) are made below the destination. `link` makes the layer apart from
    those below it. `remotes` are those of `paths` that don't come from `source`, and what they are.
    """

    source: CopyFrom
    paths: tuple[str, ...]
    files: tuple[InlineFile, ...] = ()
    destination: str
    chown: str | None = None
    chmod: str | None = None
    unpack: bool = False
    exclude: tuple[str, ...] = ()
    parents: bool = False
    link: bool = False
    remotes: tuple[tuple[str, Remote], ...] = ()
    location: Location = field(default_factory=Location)


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDir:
    """WORKDIR: make `path` (absolute) with all missing parents, 0755, owned by `user` (as USER has it)."""

    path: str
    user: str = ""
    location: Location = field(default_factory=Location)


Op = Exec | Copy | MakeDir


def is_link(op: Op) -> TypeGuard[Copy]:
    """Whether it is COPY or ADD with --link, whose layer is made apart from what is below it."""
    return isinstance(op, Copy) and op.link


def sources(op: Op) -> tuple[CopyFrom, ...]:
    """Where it reads files from."""
    if isinstance(op, Copy):
        return (op.source,)
    mounts = op.mounts if isinstance(op, Exec) else ()
    found = (mount.source for mount in mounts if isinstance(mount, BindMount | CacheMount))
    return tuple(source for source in found if source is not None)
