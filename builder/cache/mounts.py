"""The directories of RUN --mount=type=cache, shared among all builds with the same state directory.

Each id has a folder with numbered directories and a lock file for each: who holds the lock works in the directory. What happens
when others hold it is BuildKit's rule (solver/llbsolver/mounts/mount.go): shared and private take another directory, or a new
one; locked waits.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.locks import unless_used
from builder.ops import Sharing
from builder.state import remove_tree

log = logging.getLogger(__name__)

Identity = tuple[str, ...]
"""What tells cache mounts apart; the first part is for people to read."""

_PAUSE = 0.05  # seconds between two looks at a lock that somebody holds


@contextmanager
def cache_directory(
    root: Path,
    identity: Identity,
    sharing: Sharing,
    make: Callable[[Path], None],
    *,
    checkpoint: Callable[[], None] = lambda: None,
) -> Iterator[Path]:
    """A directory for `identity`, held until the context ends.

    One that doesn't exist yet is made by `make`, which gets a path where nothing is. `checkpoint` is called while waiting for
    a lock, and may raise.
    """
    folder = root / hashlib.sha256(json.dumps(["cache mount 1", *identity]).encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    root.chmod(0o700)
    lock, number = _locked(folder, sharing, identity[0], checkpoint)
    try:
        os.utime(lock)  # says when it was used last
        directory = folder / str(number)
        _make_once(folder, directory, make)
        yield directory
    finally:
        os.close(lock)


@contextmanager
def unless_worked_in(directory: Path) -> Iterator[bool]:
    """Whether no command works in the directory; none begins to until the context ends."""
    with unless_used(directory.with_suffix(".lock")) as lock:
        yield lock is not None


def record_path(directory: Path) -> Path:
    """A file beside the directory of a cache mount, for what is to be remembered of its content; it goes with it."""
    return directory.with_suffix(".saved")


def unused_mounts(root: Path) -> list[tuple[Path, float]]:
    """The directories that no command works in, and when each was used last, in seconds since the epoch."""
    found = []
    for lock_path in sorted(root.glob("*/[0-9]*.lock")):
        with unless_used(lock_path) as lock:
            if lock is not None and lock_path.with_suffix("").exists():
                found.append((lock_path.with_suffix(""), os.fstat(lock).st_mtime))
    return found


def remove_unused(directory: Path) -> bool:
    """Remove one of `unused_mounts`; not if a command works in it now. Its lock file stays: who waits for it has it open."""
    with unless_used(directory.with_suffix(".lock")) as lock:
        if lock is not None:
            remove_tree(directory)
            record_path(directory).unlink(missing_ok=True)
        return lock is not None


def _locked(folder: Path, sharing: Sharing, name: str, checkpoint: Callable[[], None]) -> tuple[int, int]:
    """The descriptor of a lock that is ours, and its number."""
    kind = fcntl.LOCK_SH if sharing is Sharing.SHARED else fcntl.LOCK_EX
    for number in itertools.count():
        lock = _open(folder / f"{number}.lock")
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        except BaseException:
            os.close(lock)
            raise
        else:
            return lock, number
        if sharing is Sharing.LOCKED and not (folder / str(number + 1)).exists():
            break
    log.info("  waiting for the cache mount %r, which another command has locked", name)
    lock = _open(folder / "0.lock")
    while True:
        try:
            checkpoint()
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except BaseException:
            os.close(lock)
            raise
        else:
            return lock, 0


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _make_once(folder: Path, directory: Path, make: Callable[[Path], None]) -> None:
    """Others may share the directory's lock, so making it has one of its own; it appears when it is complete."""
    lock = _open(folder / "make.lock")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if directory.exists():
            return
        new = folder / "new"
        remove_tree(new)  # a build that was killed left it
        make(new)
        new.rename(directory)
    finally:
        os.close(lock)
