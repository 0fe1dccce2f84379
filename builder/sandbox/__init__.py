"""Sandboxes: drivers that run one process inside a Rootfs. The table is in the order in which they are tried."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from builder.errors import SandboxError
from builder.sandbox.child import Output
from builder.sandbox.mounts import Bind, File, Mount, Tmpfs, is_directory, to_json
from builder.values import dataclass

__all__ = [
    "HOSTNAME",
    "NOTHING",
    "NOT_EXECUTABLE",
    "THE_KERNELS",
    "Beliefs",
    "Bind",
    "File",
    "Mount",
    "Mountpoint",
    "Outcome",
    "Output",
    "Process",
    "Sandbox",
    "Tmpfs",
    "View",
    "choose",
    "is_directory",
    "run_nothing",
]

log = logging.getLogger(__name__)

HOSTNAME = "buildkitsandbox"
"""What a machine of a command's own is called if nobody says otherwise.

BuildKit's name for it: package scripts write it into files, and the image should be the same.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What to run: everything is resolved already. `argv[0]` is looked up in `env`'s PATH below the root.

    `insecure`: all capabilities are kept, nothing of /proc and /sys is hidden. `limits` are arguments of setrlimit(2): the
    resource's number, soft and hard; -1 is no limit. `shm_size` is in bytes. `stdin` is a descriptor of ours; None gives nothing
    to read. `hostname` is for sandboxes that can give one.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    isolate_network: bool = False
    insecure: bool = False
    shm_size: int = 64 << 20
    limits: tuple[tuple[int, int, int], ...] = ()
    hostname: str = HOSTNAME
    stdin: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mountpoint:
    """A path that must exist in the Rootfs while a sandbox runs; it isn't recorded in a layer if it was made for that."""

    path: str
    directory: bool


THE_KERNELS = tuple(Mountpoint(path=path, directory=True) for path in ("/proc", "/sys", "/dev"))
"""Where a command looks for what the kernel tells."""


Truth = tuple[int, int, int, int]
"""What a file is: mode with the type bits, uid, gid, device number."""


class Beliefs(Protocol):
    """What programs are to believe of the files below a root where the kernel can't store it (rootfs/owner.py has them).

    `target` is a descriptor of any kind, O_PATH too.
    """

    def truth(self, status: os.stat_result, name: int | str, *, dir_fd: int | None = None) -> Truth:
        """What the file is that `status`, from lstat, is about."""
        ...

    def become(self, target: int, truth: Truth) -> None:
        """Make it so: really, as far as the kernel lets us, and noted otherwise. Its ctime moves."""
        ...

    def capability(self, target: int) -> bytes | None:
        """Its security.capability, if that is noted."""
        ...

    def set_capability(self, target: int, value: bytes | None) -> None:
        """Set it, or remove what is noted. The ctime moves."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the process sees: the tree at `root`, and `mounts` laid over it in order.

    `places` has for each of the sandbox's mountpoints where it really is below `root`. The files `concealed` lie elsewhere
    and are none of its business. `beliefs` are for a sandbox that can't change owners; None where the kernel can.
    """

    root: Path
    places: Mapping[str, str]
    mounts: tuple[Mount, ...] = ()
    concealed: tuple[Path, ...] = ()
    beliefs: Beliefs | None = None

    def to_json(self) -> dict[str, object]:
        """For a sandbox child."""
        return {"root": str(self.root), "places": dict(self.places), "mounts": [to_json(mount) for mount in self.mounts]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a process ended: `code` is its exit code, 128 + signal number if a signal ended it.

    `untouched` are paths relative to the root whose ctime the sandbox itself has changed, and the process has not.
    """

    code: int
    untouched: frozenset[str] = frozenset()


class Sandbox(Protocol):
    """One way to run a process inside a directory tree.

    One that `moves` doesn't mount: a Bind's source is renamed to its place for the time being, so it must be the mount's own.
    One that `believes` shows files as whose the kernel can't store them to be, a Bind's `owner` too.
    A `concurrent` one can run several processes at the same time. `caveat` is what its users should know; mostly nothing.
    """

    name: str
    mountpoints: tuple[Mountpoint, ...]
    moves: bool
    believes: bool
    concurrent: bool
    caveat: str

    def unavailable(self, *, pinned: bool = False) -> str:
        """Why this machine doesn't allow it, found by trying; empty if it does. `pinned`: the user asks for this one."""
        ...

    def overlays(self, directory: Path) -> bool:
        """Whether a Bind may have its `upper` below `directory`, found by trying."""
        ...

    def run(self, process: Process, view: View, *, output: Output) -> Outcome:
        """Run it to its end; nothing that it started is left. Raises SandboxError when it could not be started."""
        ...


def _namespaces(state: Path) -> Sandbox:
    from builder.sandbox.namespaces import Namespaces

    return Namespaces()


def _takeover(state: Path) -> Sandbox:
    from builder.sandbox.takeover import Takeover

    return Takeover(state)


def _traced(state: Path) -> Sandbox:
    from builder.sandbox.traced import Traced

    return Traced(state)


def _chroot(state: Path) -> Sandbox:
    from builder.sandbox.chroot import Chroot

    return Chroot(state)


SANDBOXES: Mapping[str, Callable[[Path], Sandbox]] = {
    "namespaces": _namespaces,
    "takeover": _takeover,
    "traced": _traced,
    "chroot": _chroot,
}


def choose(name: str, state: Path) -> Sandbox:
    """The sandbox `name` of SANDBOXES, or for `auto` the first that this machine allows; `state` is masu's own directory.

    Raises SandboxError with all the reasons.
    """
    reasons: list[str] = []
    for candidate in SANDBOXES if name == "auto" else (name,):
        sandbox = SANDBOXES[candidate](state)
        reason = sandbox.unavailable(pinned=name != "auto")
        if not reason:
            why = f", since {'; '.join(reasons)}" if reasons else ""
            log.info("sandbox %s: chosen%s%s", candidate, why, f"; mind that {sandbox.caveat}" if sandbox.caveat else "")
            return sandbox
        reasons.append(f"{candidate}: {reason}")
    raise SandboxError(
        f"no sandbox can run commands here: {'; '.join(reasons)}",
        hint="masu doctor tells more; docs/sandboxes.md tells what each of them needs",
    )


NOTHING, NOT_EXECUTABLE = Process(argv=("/.",), env={}, cwd="/"), 126
"""A process to try a sandbox out with, and how it ends if nothing else ends it."""


def run_nothing(sandbox: Sandbox, view: View) -> None:
    """Raises SandboxError for whatever the kernel forbids, or if the process doesn't end as it should."""
    done = sandbox.run(NOTHING, view, output=lambda _: None)
    if done.code != NOT_EXECUTABLE:
        raise SandboxError(f"trying it out ended with exit code {done.code}")


def refuse_rights(name: str, process: Process) -> None:
    """For a sandbox that can't give a process a network of its own, nor more rights than we have. Raises SandboxError."""
    if process.isolate_network:
        raise SandboxError(f"RUN --network=none can't be had in the {name} sandbox: it may not make a network namespace")
    if process.insecure:
        raise SandboxError(f"RUN --security=insecure can't be had in the {name} sandbox: it can't give more rights than it has")


def guard() -> None:
    """Let no command look into this process, where it shares a pid namespace with us: see PR_SET_DUMPABLE in prctl(2)."""
    from builder.sandbox import linux

    linux.prctl(linux.PR_SET_DUMPABLE, 0)


def take_turn() -> None:
    """Wait for other builds where only one can run at a time, and put in order what a killed one has left behind."""
    from builder.sandbox.own import own_directory

    if own_directory() is not None and os.geteuid() == 0:
        from builder.sandbox import takeover

        takeover.take_turn()
