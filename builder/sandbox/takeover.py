"""The `takeover` sandbox: for the time of a RUN the stage's top-level entries take the place of `/`, by renaming.

It needs no namespace, mount or chroot: root with the default capabilities of Docker, containerd, podman or CRI-O will do, in
masu's own image, where interpreter, loader and libraries lie apart from whatever `/` holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import SandboxError
from builder.sandbox import THE_KERNELS, Bind, Mount, Mountpoint, Outcome, Output, Process, View, linux, refuse_rights
from builder.sandbox.child import run_child
from builder.sandbox.concealed import exposed
from builder.sandbox.kept import Kept, mount_points
from builder.sandbox.mounts import to_json
from builder.sandbox.occupation import Occupation, read_journal
from builder.sandbox.own import own_directory
from builder.sandbox.traced import Traced
from builder.values import asdict

log = logging.getLogger(__name__)

_NEEDED = {
    "CHOWN": linux.CAP_CHOWN,
    "DAC_OVERRIDE": linux.CAP_DAC_OVERRIDE,
    "FOWNER": linux.CAP_FOWNER,
    "SETGID": linux.CAP_SETGID,
    "SETUID": linux.CAP_SETUID,
}
_SIGNS_OF_A_SYSTEM = ("/etc/os-release", "/usr/lib/os-release", "/usr/bin/env")  # a /usr may be there for a volume only
_ALSO_KEPT = ("/busybox",)  # the shell of the debug image: whoever started us may need it
_HOSTS = "/etc/hosts"
_HIDEABLE = (
    "/proc",
    "/sys",
    "/dev",
    "/etc/resolv.conf",
    _HOSTS,
    "/etc/hostname",
)  # a container's own, whatever an image has there
_HOME = "takeover"
_PROBE = "/.masu-probe-"


class Takeover:
    name = "takeover"
    mountpoints: tuple[Mountpoint, ...] = THE_KERNELS  # not needed but for what goes there
    moves = True
    believes = False
    concurrent = False
    caveat = ""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._warned: set[str] = set()

    def unavailable(self, *, pinned: bool = False) -> str:
        own = own_directory()
        if own is None:
            return "only in masu's own image, where nothing of masu lies in /usr"
        if os.geteuid() != 0:
            return "not root"
        missing = [name for name, number in _NEEDED.items() if number not in linux.effective_capabilities()]
        if missing:
            return f"root lacks the capabilities {', '.join(missing)}"
        if not pinned and any(map(os.path.exists, _SIGNS_OF_A_SYSTEM)):
            return "this container has a system of its own (--sandbox takeover moves it aside for each RUN)"
        return try_renaming(self._state) or try_renaming(own)

    def overlays(self, directory: Path) -> bool:
        return False

    def run(self, process: Process, view: View, *, output: Output) -> Outcome:
        refuse_rights(self.name, process)
        self._warn(view.concealed)
        home, points = _home(), frozenset(mount_points().values())
        kept = {*points, str(_own()), str(self._state), *(path for path in _ALSO_KEPT if os.path.exists(path))}
        with _alone(home) as lock, tempfile.TemporaryDirectory(prefix="staging-", dir=view.root.parent) as staging:
            spec = asdict(process) | {
                "root": str(view.root),
                "mounts": [to_json(mount) for mount in view.mounts if mount.target not in points],
                "hosts": _hosts_to_add(view.mounts) if _HOSTS in points else [],
                "staging": staging,
                "home": str(home),
                "kept": sorted(kept),
                "hideable": [*_HIDEABLE, *view.places.values()],
                "concealed": [str(path) for path in view.concealed],
                "held": [lock],
            }
            code, answer = run_child("occupy", spec, output=output, pass_fds=(lock,), stdin=process.stdin)
        if "conflict" in answer:
            return self._traced(answer["conflict"], process, view, output)
        return Outcome(code=code, untouched=frozenset(answer.get("untouched", ())))

    def _traced(self, conflict: str, process: Process, view: View, output: Output) -> Outcome:
        """A command that would see a volume in place of files of the image."""
        instead = Traced(self._state)
        what = f"the image has {conflict!r}, where this container has a mount point"
        if reason := instead.unavailable():
            message = f"{what}: a command would see that instead, and traced can't show it the image: {reason}"
            raise SandboxError(message, hint="start the container with that volume elsewhere")
        log.info("%s: this RUN is traced instead", what)
        return instead.run(process, view, output=output)

    def _warn(self, paths: tuple[Path, ...]) -> None:
        for path in exposed(str(path) for path in paths):
            if path not in self._warned:
                self._warned.add(path)
                log.warning(
                    "commands can read %r: it lies on a volume of this container, where it can't be hidden from them", path
                )


def _hosts_to_add(mounts: tuple[Mount, ...]) -> list[str]:
    """The lines of --add-host: the container has a file of its own with its own name in it, which has to stay."""
    sources = [mount.source for mount in mounts if isinstance(mount, Bind) and mount.target == _HOSTS]
    lines = [line for source in sources for line in source.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "localhost" not in line.split()]


def take_turn() -> None:
    """Wait until no other build is at work in this container, and put back what a killed one has left in `/`.

    For root in masu's own image: while one runs a command the other's context may be parked, so whole builds take turns, where
    they can't run in namespaces. The lock is held until this process ends.
    """
    try:
        home = _home()
    except OSError as error:  # a read-only root file system, where nothing was ever taken over
        log.debug("no takeover here: %s", error)
        return
    if linux.CAP_SYS_ADMIN not in linux.effective_capabilities():
        _wait(os.open(home / "build", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "build")
    with _alone(home):
        _remove_probes()
        journal = read_journal(str(home))
        if journal is not None:
            log.warning("a build was killed in this container: putting the container's own files back")
            Occupation(root=journal["root"], home=str(home), kept=Kept.of(journal["kept"])).leave()


def _own() -> Path:
    own = own_directory()
    assert own is not None  # `unavailable` has seen to that
    return own


def _home() -> Path:
    home = _own() / _HOME
    home.mkdir(mode=0o700, exist_ok=True)
    return home


@contextmanager
def _alone(home: Path) -> Iterator[int]:
    """A descriptor that holds the lock of `/`, for the child to hold as well: it may outlive us."""
    lock = os.open(home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(lock, "RUN")
        yield lock
    finally:
        os.close(lock)


def _wait(lock: int, what: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("waiting for the %s of another masu in this container", what)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _remove_probes() -> None:
    """What builds have left that were killed while they tried."""
    for path in glob.glob(f"{_PROBE}*"):
        with contextlib.suppress(OSError):  # whoever asks for a diagnosis may be trying just now
            os.rmdir(path)


def try_renaming(directory: Path) -> str:
    """Why a directory made here can't be renamed into `/`; empty if it can."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".masu-probe-", dir=directory) as name:
            source = Path(name) / "entry"
            source.mkdir()
            target = f"{_PROBE}{os.getpid()}"
            os.rename(source, target)
            os.rename(target, source)
    except OSError as error:
        return f"nothing can be renamed from {str(directory)!r} into /: {error.strerror}"
    return ""
