"""What the command line gives to every RUN: secrets, sockets, names of hosts, limits and rights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builder.ops import Network
from builder.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A resource limit of setrlimit(2), `resource` its number; -1 is no limit."""

    resource: int
    soft: int
    hard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisions:
    """`secrets` and `sockets` (of ssh agents) by id; `hosts` are pairs of name and address, `hostname` is the machine's own name,
    empty for the usual one; `shm_size` is in bytes.

    `network` is for a RUN that names none; `insecure` allows `RUN --security=insecure`; `cache_mounts` holds the directories of
    cache mounts, None: there can be none. `concealed` are files of the machine that no command may read.
    """

    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    sockets: Mapping[str, Path] = field(default_factory=dict)
    hosts: tuple[tuple[str, str], ...] = ()
    hostname: str = ""
    network: Network = Network.DEFAULT
    shm_size: int = 64 << 20
    limits: tuple[Limit, ...] = ()
    insecure: bool = False
    cache_mounts: Path | None = None
    concealed: tuple[Path, ...] = ()
