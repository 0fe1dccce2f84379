"""Overlay mounts for the builder itself, in a mount namespace of its own: whatever ends the builder ends them.

It needs what overlayfs keeps in `trusted.*` attributes, so it is for root outside of user namespaces: `redirect_dir` (directories
of lower layers can be renamed), `index` (the names of a file stay names of one file when one is written to) and `metacopy` (a
file whose metadata alone was changed can be told from one that was opened). See Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from builder.errors import SandboxError
from builder.sandbox import linux
from builder.state import remove_tree

MOST_LAYERS = 200
"""mount(2) takes a page of options, and a lower directory's needs up to twenty bytes (the kernel's own limit is 500)."""

# `volatile`: nothing is synced, which is right for what no build outlives. `xino` would make inode numbers of its own.
_WRITABLE = "index=on,redirect_dir=on,metacopy=on,volatile,xino=off"
_READ_ONLY = "redirect_dir=on,metacopy=on,xino=off"
_PATIENCE, _PAUSE = 30.0, 0.001  # seconds


def enter() -> None:
    """Give this process a mount namespace of its own, before it has threads. Raises SandboxError if that isn't allowed."""
    try:
        linux.unshare(linux.CLONE_NEWNS)
        linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
    except OSError as error:
        raise SandboxError(f"no mount namespace for the builder: {error.strerror}") from error


def mount(target: Path, lowers: Sequence[Path], *, upper: Path | None = None, work: Path | None = None) -> None:
    """Mount `lowers` (topmost first) at `target`; without `upper` and the empty directory `work` read-only, of two at least.

    Raises SandboxError.
    """
    assert len(lowers) <= MOST_LAYERS
    with ExitStack() as stack:

        def opened(path: Path) -> str:
            # Descriptors, since a comma or colon in a path would need quoting, and to be short.
            fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            return f"/proc/self/fd/{fd}"

        try:
            options = "lowerdir=" + ":".join(opened(path) for path in lowers)
            if upper and work:
                options += f",upperdir={opened(upper)},workdir={opened(work)},{_WRITABLE}"
            else:
                options += f",{_READ_ONLY}"
            _mount(target, options, work)
        except OSError as error:
            raise SandboxError(f"can't mount an overlay on {str(target)!r}: {error.strerror}") from error


def _mount(target: Path, options: str, work: Path | None) -> None:
    """A directory that was an upper one stays busy for the moment in which a sandbox child has a copy of the mounts."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            linux.mount("overlay", str(target), "overlay", 0, options)
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
        for left in work.iterdir() if work else ():
            remove_tree(left)
        time.sleep(_PAUSE)


def unmount(target: Path) -> None:
    """Take away what is mounted at `target`, at once for everybody here. Raises SandboxError."""
    try:
        linux.umount(str(target), linux.MNT_DETACH)
    except OSError as error:
        raise SandboxError(f"can't unmount {str(target)!r}: {error.strerror}") from error


def unsuitable(directory: Path) -> str:
    """Why `directory` can't carry overlays that behave as a plain directory does, found by trying; empty if it can."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=directory) as name:
        probe = Path(name)
        for path in ("lower/dir", "upper", "work", "root"):
            (probe / path).mkdir(parents=True)
        for path in ("one", "gone"):
            (probe / "lower" / path).write_bytes(b"old")
        os.link(probe / "lower/one", probe / "lower/two")
        try:
            mount(probe / "root", [probe / "lower"], upper=probe / "upper", work=probe / "work")
        except SandboxError as error:
            return error.message
        try:
            return _misbehaviour(probe)
        except OSError as error:
            return f"overlayfs in {str(directory)!r}: {error.strerror}"
        finally:
            unmount(probe / "root")


def _misbehaviour(probe: Path) -> str:
    root, upper = probe / "root", probe / "upper"
    os.chown(root / "dir", 1, 1)
    (root / "dir").rename(root / "moved")  # EXDEV without redirect_dir
    (root / "gone").unlink()
    if os.lstat(upper / "gone").st_rdev or "trusted.overlay.redirect" not in os.listxattr(upper / "moved"):
        return "overlayfs has no whiteouts or redirects here"
    (root / "one").chmod(0)
    if "trusted.overlay.metacopy" not in os.listxattr(upper / "one"):
        return "overlayfs has no metacopy here"
    (root / "one").write_bytes(b"new")
    if (root / "two").read_bytes() != b"new" or os.lstat(root / "one").st_ino != os.lstat(probe / "lower/one").st_ino:
        return "overlayfs has no index here"
    os.mknod(root / "device", 0o20600, os.makedev(1, 3))
    return ""
