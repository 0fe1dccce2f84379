"""masu's own directory: the store of named images, and one working directory per build that is gone when the build ends.

A build that was killed leaves its working directory; the next start finds that nobody holds its lock, and removes it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from builder.errors import BuilderError
from builder.locks import unless_used
from builder.removal import remove
from builder.values import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    root: Path

    @classmethod
    def at(cls, option: str, env: Mapping[str, str]) -> State:
        """`option` (--state-dir) or the XDG data directory of `env`."""
        if option:
            return cls(root=Path(option).absolute())
        home = env.get("XDG_DATA_HOME") or (f"{env['HOME']}/.local/share" if env.get("HOME") else "")
        if not home:
            raise BuilderError("no place for the store: neither HOME nor XDG_DATA_HOME is set", hint="give --state-dir DIR")
        return cls(root=Path(home).absolute() / "masu")

    @property
    def store(self) -> Path:
        return self.root / "store"

    @property
    def layers(self) -> Path:
        """Where unpacked layers lie."""
        return self.root / "layers"

    @property
    def layer_cache(self) -> Path:
        """A layout with the layers of builds that have nowhere else to cache them."""
        return self.root / "layer-cache"

    @property
    def cache_mounts(self) -> Path:
        return self.root / "cache-mounts"

    @contextmanager
    def working_directory(self, *, tidy: bool = True) -> Iterator[Path]:
        """A new directory for one build, removed at the end whatever happens.

        `tidy`: first remove what killed builds have left, for which one must be able to do what they could.
        """
        work = self.work
        try:
            work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            hint = "give --state-dir, or MASU_STATE_DIR, a directory that can be written: on a volume if all else is read-only"
            raise BuilderError(f"can't keep state in {str(self.root)!r}: {error.strerror}", hint=hint) from error
        if tidy:
            remove_abandoned(work)
        with _locked_directory(work) as directory:
            yield directory

    @property
    def work(self) -> Path:
        """Where the working directories of running builds lie, and what killed ones have left."""
        return self.root / "work"


def abandoned(work: Path) -> list[Path]:
    """The working directories that killed builds have left."""
    found = []
    for lock_path in sorted(work.glob("*.lock")):
        with unless_used(lock_path) as lock:
            if lock is not None:
                found.append(lock_path.with_suffix(""))
    return found


def remove_abandoned(work: Path) -> None:
    """Remove the working directories that killed builds have left."""
    for lock_path in sorted(work.glob("*.lock")):
        with unless_used(lock_path) as lock:
            if lock is not None:
                log.debug("removing what a killed build left: %s", lock_path)
                remove_tree(lock_path.with_suffix(""))
                lock_path.unlink(missing_ok=True)


@contextmanager
def _locked_directory(work: Path) -> Iterator[Path]:
    directory, lock = _new_lock(work)
    try:
        directory.mkdir(mode=0o700)
        yield directory
    finally:
        remove_tree(directory)
        os.unlink(f"{directory}.lock")
        os.close(lock)


def _new_lock(work: Path) -> tuple[Path, int]:
    """A name for a directory, and its lock, which is ours. Another build may have found it before it was, and removed it."""
    while True:
        directory = work / f"{os.getpid()}-{os.urandom(4).hex()}"
        path = Path(f"{directory}.lock")
        lock = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return directory, lock
        os.close(lock)


def remove_tree(path: Path) -> None:
    """Delete a directory tree if it is there, also one in which directories are not writable."""
    if not path.exists():
        return
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(parent, path.name)
    finally:
        os.close(parent)
