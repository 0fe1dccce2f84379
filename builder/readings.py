"""What an op reads, and the digest of that: the inputs of its cache key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from builder.giturl import GitUrl
from builder.ops import (
    BindMount,
    CacheMount,
    Copy,
    CopyFrom,
    Exec,
    FromContext,
    FromImage,
    FromNamedContext,
    FromStage,
    FromUrl,
    Op,
    Remote,
)
from builder.rootfs import SourceTree
from builder.rootfs.fingerprint import Fingerprint, Look, fingerprint, fingerprint_of, look_at, looked_at
from builder.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`selection`, a JSON value, says what of the source is read; `fingerprint` is that of it, when its tree is there.

    `look` is what a Fingerprint has under that name.
    """

    source: CopyFrom | Remote
    selection: Any
    fingerprint: Callable[[SourceTree], Fingerprint]
    look: Callable[[SourceTree], Look]

    @property
    def name(self) -> str:
        """For people: where it is read; empty for the build context."""
        match self.source:
            case FromContext():
                return ""
            case FromNamedContext(name=name):
                return f"context {name}"
            case FromImage(reference=reference):
                return f"image {reference}"
            case FromStage(index=index):
                return f"stage {index}"
            case FromUrl(name=name):
                return name
            case GitUrl():
                return "the git repository"


def readings(op: Op) -> Iterator[Reading]:
    """All that is read, in an order that the op decides."""
    if isinstance(op, Copy):
        yield from _of_copy(op)
    elif isinstance(op, Exec):
        for mount in op.mounts:
            if isinstance(mount, BindMount | CacheMount) and mount.source is not None:
                yield _of_path(mount.path, mount.source)


def _of_path(path: str, source: CopyFrom | Remote) -> Reading:
    return Reading(source=source, selection=path, fingerprint=partial(fingerprint_of, path), look=partial(look_at, path))


def _of_copy(op: Copy) -> Iterator[Reading]:
    remotes = dict(op.remotes)
    own = [path for path in op.paths if path not in remotes]
    if own:
        selection = {"paths": own, "exclude": list(op.exclude), "parents": op.parents}
        yield Reading(
            source=op.source,
            selection=selection,
            fingerprint=lambda tree: fingerprint(op, tree, but=remotes),
            look=lambda tree: looked_at(op, tree, but=remotes),
        )
    for remote in remotes.values():
        yield _of_path("/", remote)
