"""Unpacked layers for overlays: each once, as overlayfs wants it, shared by all stages and builds with one state directory.

A tree belongs to its layer and all below it (by their chain id): what a whiteout or a hard link of a layer does depends on those.
For plain directories the archives are kept here that outlines are made of (outline.py); they belong to the layer alone.
It is made under another name and then renamed; a lock file for each is held shared by whoever uses the tree, exclusively by who
makes or removes it, so that what a killed build was making is made anew. Trees outlive no reboot: nobody has waited until they
were on the disk.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from builder.image.digest import Digest
from builder.locks import unless_used
from builder.state import remove_tree
from builder.values import dataclass

log = logging.getLogger(__name__)

UNUSED_DAYS = 7
"""Trees that no build has used for so long are removed."""

OUTLINE, ARCHIVE = "-outline", "-archive"
"""Kinds of trees beside whole ones: an outline as a lower directory, and the archive of one."""

_FORMAT = "1"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PAUSE = 0.05  # seconds between two looks at a lock that another build holds


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTree:
    """`path` is a lower directory or an archive; `links` are the groups of names of files with several, of all layers so far."""

    path: Path
    links: tuple[tuple[str, ...], ...]


class LayerTrees:
    """Those of this boot, below `directory`; they are held until `close`. `checkpoint` is called while waiting, and may raise."""

    def __init__(self, directory: Path, *, checkpoint: Callable[[], None] = lambda: None) -> None:
        boot = _BOOT.read_text(encoding="ascii").strip()
        self._directory = directory / boot
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._checkpoint = checkpoint
        self._locks: list[int] = []
        self._known: dict[str, LayerTree] = {}
        self._mutex = threading.Lock()
        for other in directory.iterdir():
            _prune(other, UNUSED_DAYS * 86400.0 if other.name == boot else 0.0)

    def get(self, name: Digest, make: Callable[[Path], Iterable[Iterable[str]]], *, kind: str = "") -> LayerTree:
        """The tree of that name and kind. Raises what `make` raises.

        One that isn't there is made by `make`: it gets an empty directory, leaves `tree` in it, and returns the links.
        """
        full = _full(name, kind)
        with self._mutex:
            if full in self._known:
                return self._known[full]
        directory = self._directory / full
        lock = self._held(full, directory, make)
        try:
            os.utime(lock)
            tree = _read(directory)
        except BaseException:
            os.close(lock)
            raise
        with self._mutex:
            self._locks.append(lock)
            self._known[full] = tree
        return tree

    def has(self, name: Digest, *, kind: str = "") -> bool:
        """Whether it is there now. It may be gone a moment later."""
        return (self._directory / _full(name, kind)).exists()

    def close(self) -> None:
        """Let go of all trees."""
        while self._locks:
            os.close(self._locks.pop())

    def _held(self, name: str, directory: Path, make: Callable[[Path], Iterable[Iterable[str]]]) -> int:
        """A shared lock on the tree, which is there then: another who wanted to make it may have been first, and hold it long."""
        while True:
            self._checkpoint()
            shared = self._try(name, fcntl.LOCK_SH)
            if shared is not None:
                if directory.exists():
                    return shared
                os.close(shared)
            own = self._try(name, fcntl.LOCK_EX)
            if own is None:
                time.sleep(_PAUSE)
                continue
            try:
                if not directory.exists():
                    _make(directory, make)
                fcntl.flock(own, fcntl.LOCK_SH)
            except BaseException:
                os.close(own)
                raise
            return own

    def _try(self, name: str, kind: int) -> int | None:
        """A descriptor of the lock file with this lock, unless another is in the way or the file was removed meanwhile."""
        path = self._directory / f"{name}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        except BlockingIOError:
            pass
        os.close(lock)
        return None


def _full(name: Digest, kind: str) -> str:
    return f"{name.hex}-{_FORMAT}{kind}"


def _make(directory: Path, make: Callable[[Path], Iterable[Iterable[str]]]) -> None:
    new = directory.with_suffix(".new")
    remove_tree(new)  # a build that was killed left it
    new.mkdir()
    try:
        links = [sorted(group) for group in make(new)]
        (new / "links").write_bytes(json.dumps(links).encode())
        new.rename(directory)
    except BaseException:
        remove_tree(new)
        raise


def _read(directory: Path) -> LayerTree:
    links = json.loads((directory / "links").read_bytes())
    return LayerTree(path=directory / "tree", links=tuple(tuple(group) for group in links))


def unused_trees(directory: Path) -> list[tuple[Path, float]]:
    """The trees below `directory`, of any boot, that nobody holds, and when each was used last, in seconds since the epoch."""
    found = []
    for path in sorted(directory.glob("*/*.lock")):
        with unless_used(path) as lock:
            if lock is not None and path.with_suffix("").exists():
                found.append((path.with_suffix(""), os.fstat(lock).st_mtime))
    return found


def remove_unused(tree: Path) -> bool:
    """Remove one of `unused_trees`; not if somebody holds it now."""
    path = tree.with_suffix(".lock")
    with unless_used(path) as lock:
        if lock is not None:
            remove_tree(tree)
            path.unlink(missing_ok=True)
        return lock is not None


def _prune(directory: Path, age: float) -> None:
    """Remove what nobody holds and nobody has used for `age` seconds, and what killed builds were making."""
    for path in directory.glob("*.lock"):
        with unless_used(path) as lock:
            if lock is None:
                continue
            remove_tree(path.with_suffix(".new"))
            if os.fstat(lock).st_mtime <= time.time() - age:
                log.debug("removing an unpacked layer that nobody uses: %s", path.stem)
                remove_tree(path.with_suffix(""))
                path.unlink(missing_ok=True)
    if age == 0 and not any(directory.iterdir()):
        directory.rmdir()
