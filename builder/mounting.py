"""What the mounts of an Exec are made of: directories of the host, memory, secrets and sockets; there while a command runs."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from builder.cache.mounts import Identity, cache_directory
from builder.errors import BuilderError, ContextError
from builder.ops import BindMount, CacheMount, CopyFrom, Exec, SecretMount, Sharing, SshMount, TmpfsMount
from builder.ops import Mount as PlannedMount
from builder.provisions import Provisions
from builder.provisions.relay import relay
from builder.rootfs import Owners, Rootfs, SourceTree, paths
from builder.rootfs.lend import lend
from builder.sandbox import Bind, File, Mount, Sandbox, Tmpfs, is_directory
from builder.state import remove_tree
from builder.values import dataclass, field

log = logging.getLogger(__name__)

_SOCKET_VARIABLE = "SSH_AUTH_SOCK"
_UMASK = 0o022  # BuildKit makes a cache's directory under this one, whatever `mode` says
_STRICTEST = (Sharing.LOCKED, Sharing.PRIVATE, Sharing.SHARED)


class Keeper(Protocol):
    """Keeps what is in cache mounts somewhere else, too."""

    def restore(self, identity: Identity, path: Path, owners: Owners) -> bool:
        """Make the directory `path` with what was kept; False, and nothing is there, if nothing was."""
        ...

    def opened(self, identity: Identity, directory: Path, owners: Owners) -> None:
        """A command is going to work in it; `owners` are to know whose the files are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """`tree` opens what a mount reads; `identity` is a text that changes with its content. `directory` is for copies.

    `checkpoint` is called while waiting for others, and may raise. `keeper`, if any, has what cache mounts had on other machines.
    """

    tree: Callable[[CopyFrom], SourceTree]
    identity: Callable[[CopyFrom], str]
    directory: Path
    checkpoint: Callable[[], None] = lambda: None
    keeper: Keeper | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """`env` has the variables that come with the mounts, `caches` the directories of cache mounts."""

    mounts: tuple[Mount, ...] = ()
    caches: Mapping[Identity, Path] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def points(self) -> dict[str, bool]:
        """The targets → whether each is a directory."""
        return {mount.target: is_directory(mount) for mount in self.mounts}


@contextmanager
def mounted(op: Exec, rootfs: Rootfs, sources: Sources, *, sandbox: Sandbox, provisions: Provisions) -> Iterator[Mounted]:
    """All of it is there while the context is entered, and what was written elsewhere than to a cache is gone then.

    Raises ContextError for a source that isn't there, BuilderError for what is required and wasn't given.
    """
    with ExitStack() as stack:
        job = _Job(op=op, rootfs=rootfs, sources=sources, sandbox=sandbox, provisions=provisions, stack=stack)
        job.open_caches([mount for mount in op.mounts if isinstance(mount, CacheMount)])
        found = [job.mount(mount) for mount in op.mounts]
        yield Mounted(mounts=tuple(mount for mount in found if mount is not None), caches=job.caches, env=job.env)


@dataclass(slots=True, kw_only=True)
class _Job:
    """The mounts of one command under way."""

    op: Exec
    rootfs: Rootfs
    sources: Sources
    sandbox: Sandbox
    provisions: Provisions
    stack: ExitStack
    caches: dict[Identity, Path] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def mount(self, mount: PlannedMount) -> Mount | None:
        match mount:
            case BindMount():
                return self._bind(mount)
            case CacheMount():
                return self._cache(mount)
            case TmpfsMount():
                self._mind(mount.target, "a tmpfs is a directory on the disk, as large as that")
                return Tmpfs(
                    target=mount.target, size=mount.size, read_only=mount.read_only, new=not _exists(self.rootfs, mount.target)
                )
            case SecretMount():
                return self._secret(mount)
            case SshMount():
                return self._ssh(mount)

    def _bind(self, mount: BindMount) -> Bind:
        tree = self.sources.tree(mount.source)
        if self.sandbox.moves:
            if mount.read_only:
                self._mind(mount.target, "a bind mount is a copy: what is written there is forgotten, not refused")
            lent = lend(tree, mount.path, directory=self._scratch(), writable=True, owners=self.rootfs.owners)
            return Bind(source=lent, target=mount.target)
        lent = lend(tree, mount.path, directory=self._directory("lent"))
        if mount.read_only:
            return Bind(source=lent, target=mount.target, read_only=True)
        scratch = self._scratch()
        if lent.is_dir() and self.sandbox.overlays(self.sources.directory):
            return Bind(source=lent, target=mount.target, upper=scratch)
        return Bind(source=lend(tree, mount.path, directory=scratch, writable=True), target=mount.target)

    def open_caches(self, mounts: list[CacheMount]) -> None:
        """Always in the same order, so that no two builds wait for each other."""
        for identity in sorted({self._identity(mount) for mount in mounts}):
            same = [mount for mount in mounts if self._identity(mount) == identity]
            sharing = next(item for item in _STRICTEST if item in {mount.sharing for mount in same})
            if self.provisions.cache_mounts is None:
                raise BuilderError("there is no place for cache mounts")
            directory = cache_directory(
                self.provisions.cache_mounts,
                identity,
                sharing,
                partial(self._begin, same[0]),
                checkpoint=self.sources.checkpoint,
            )
            self.caches[identity] = self.stack.enter_context(directory)
            if self.sources.keeper:
                self.sources.keeper.opened(identity, self.caches[identity], self.rootfs.owners)

    def _identity(self, mount: CacheMount) -> Identity:
        """BuildKit, too, tells caches of one id apart by what they begin with."""
        access = "" if mount.access is None else f"{mount.access.mode:o} {mount.access.uid}:{mount.access.gid}"
        return mount.id, self.sources.identity(mount.source) if mount.source and mount.access is None else "", access

    def _begin(self, mount: CacheMount, path: Path) -> None:
        """What a new cache has in it."""
        keeper = self.sources.keeper
        if keeper and keeper.restore(self._identity(mount), path, self.rootfs.owners):
            return
        if mount.source is None or mount.access is not None:
            path.mkdir()
            path.chmod(0o755 if mount.access is None else mount.access.mode & ~_UMASK)
            if not self.sandbox.believes:
                _chown(path, mount)
            return
        copies = Path(tempfile.mkdtemp(prefix="seed-", dir=path.parent))
        try:
            lend(self.sources.tree(mount.source), "/", directory=copies, writable=True).rename(path)
        finally:
            remove_tree(copies)

    def _cache(self, mount: CacheMount) -> Bind:
        directory = self.caches[self._identity(mount)]
        with paths.opened_root(directory) as fd:
            try:
                with paths.find(fd, mount.path) as spot:
                    found = spot.path if spot.lstat() else None
            except OSError:
                found = None
        if found is None:
            raise ContextError(
                f"open {mount.path}: no such file or directory", hint="a cache's source must be in what it begins with"
            )
        owner = (mount.access.uid, mount.access.gid) if mount.access else None
        return Bind(source=directory / found, target=mount.target, read_only=mount.read_only, owner=owner)

    def _secret(self, mount: SecretMount) -> File | None:
        data = self.provisions.secrets.get(mount.id)
        if data is None:
            if mount.required:
                raise BuilderError(
                    f"secret {mount.id}: not found", hint=f"give it by --secret id={mount.id},src=FILE or env=VARIABLE"
                )
            if mount.env is not None:
                self.env[mount.env] = ""
            return None
        if mount.env is not None:
            if b"\0" in data:
                raise BuilderError(f"secret {mount.id!r} has a NUL character in it: it can't be an environment variable")
            self.env[mount.env] = data.decode("utf-8", "surrogateescape")
        if mount.target is None:
            return None
        return File(target=mount.target, data=data, mode=mount.access.mode, uid=mount.access.uid, gid=mount.access.gid)

    def _ssh(self, mount: SshMount) -> Bind | None:
        if _SOCKET_VARIABLE not in dict(self.op.env):
            self.env.setdefault(_SOCKET_VARIABLE, mount.target)
        agent = self.provisions.sockets.get(mount.id)
        if agent is None:
            if mount.required:
                raise BuilderError(f"unset ssh forward key {mount.id}", hint=f"give it by --ssh {mount.id}[=SOCKET|KEY]")
            return None
        directory = Path(tempfile.mkdtemp(prefix="ssh-", dir=self.sources.directory))
        self.stack.callback(remove_tree, directory)
        socket = directory / "agent"
        self.stack.enter_context(relay(agent, socket, mount.access, gives=not self.sandbox.believes))
        return Bind(source=socket, target=mount.target, owner=(mount.access.uid, mount.access.gid))

    def _mind(self, target: str, what: str) -> None:
        """Say what can't be exact where nothing is mounted (docs/sandboxes.md)."""
        if self.sandbox.moves:
            log.warning("%s: in the %s sandbox %s", target, self.sandbox.name, what)

    def _scratch(self) -> Path:
        scratch = Path(tempfile.mkdtemp(prefix="forgotten-", dir=self.sources.directory))
        self.stack.callback(remove_tree, scratch)
        return scratch

    def _directory(self, name: str) -> Path:
        directory = self.sources.directory / name
        directory.mkdir(exist_ok=True)
        return directory


def _exists(rootfs: Rootfs, target: str) -> bool:
    with paths.opened_root(rootfs.path) as fd:
        try:
            with paths.find(fd, target) as spot:
                return spot.lstat() is not None
        except OSError:
            return False


def _chown(path: Path, mount: CacheMount) -> None:
    if mount.access is None or (mount.access.uid, mount.access.gid) == (0, 0):
        return
    try:
        os.chown(path, mount.access.uid, mount.access.gid)
    except OSError as error:
        owner = f"uid {mount.access.uid}, gid {mount.access.gid}"
        raise BuilderError(f"the cache mount {mount.id!r} can't belong to {owner}: {error.strerror}") from error
