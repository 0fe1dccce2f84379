"""What an op reads, and the digest of that: the inputs of its cache key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from builder.image.digest import Digest
from builder.ops import BindMount, CacheMount, Copy, CopyFrom, Exec, Op, Remote
from builder.rootfs import SourceTree
from builder.rootfs.fingerprint import fingerprint, fingerprint_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`selection`, a JSON value, says what of the source is read; `digest` is that of it, once the source's tree is there."""

    source: CopyFrom | Remote
    selection: Any
    digest: Callable[[SourceTree], Digest]


def readings(op: Op) -> Iterator[Reading]:
    """All that is read, in an order that the op decides."""
    if isinstance(op, Copy):
        yield from _of_copy(op)
    elif isinstance(op, Exec):
        for mount in op.mounts:
            if isinstance(mount, BindMount | CacheMount) and mount.source is not None:
                yield Reading(source=mount.source, selection=mount.path, digest=partial(fingerprint_of, mount.path))


def _of_copy(op: Copy) -> Iterator[Reading]:
    remotes = dict(op.remotes)
    own = [path for path in op.paths if path not in remotes]
    if own:
        selection = {"paths": own, "exclude": list(op.exclude), "parents": op.parents}
        yield Reading(source=op.source, selection=selection, digest=lambda tree: fingerprint(op, tree, but=remotes))
    for remote in remotes.values():
        yield Reading(source=remote, selection="/", digest=partial(fingerprint_of, "/"))
