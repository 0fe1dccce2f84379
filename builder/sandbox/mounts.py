"""What a command sees besides its Rootfs: values that a sandbox carries out.

`target` is absolute; it and the directories on the way that don't exist where it lies (below another mount, that is: elsewhere
the Rootfs has them) are made by the sandbox.
"""

from __future__ import annotations

from pathlib import Path

from builder.values import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """`source`, a path of the host, appears at `target`.

    With `upper`, an empty directory, what is written to a source directory goes there and is forgotten: only where the sandbox
    `overlays`. `owner` is the uid and gid that the source itself has for commands where it can't really have them.
    """

    source: Path
    target: str
    read_only: bool = False
    upper: Path | None = None
    owner: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A directory in memory, of `size` bytes at most (0: the kernel's default).

    It has the mode of the directory that it hides, or 1777 if that is `new` or missing.
    """

    target: str
    size: int = 0
    read_only: bool = False
    new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A read-only file in memory; its content is nobody else's business."""

    target: str
    data: bytes = field(repr=False)
    mode: int
    uid: int
    gid: int


Mount = Bind | Tmpfs | File


def is_directory(mount: Mount) -> bool:
    """What its target must be."""
    return isinstance(mount, Tmpfs) or (isinstance(mount, Bind) and mount.source.is_dir())


def to_json(mount: Mount) -> dict[str, object]:
    """As attach.py takes it."""
    match mount:
        case Bind():
            upper = str(mount.upper) if mount.upper else ""
            return {"kind": "bind", "source": str(mount.source), "upper": upper, **_common(mount)}
        case Tmpfs():
            return {"kind": "tmpfs", "size": mount.size, "new": mount.new, **_common(mount)}
        case File():
            owner = {"mode": mount.mode, "uid": mount.uid, "gid": mount.gid}
            return {"kind": "file", "target": mount.target, "data": mount.data.decode("latin-1"), **owner}


def _common(mount: Bind | Tmpfs) -> dict[str, object]:
    return {"target": mount.target, "read_only": mount.read_only}
