"""The `traced` sandbox: PRoot shows the Rootfs as `/`, and a supervisor lets commands believe that they are root.

For any user without any capability, with no_new_privs and a container's usual seccomp filter. PRoot (GPL-2, a program of its own)
translates paths by ptrace(2); PROOT_NO_SECCOMP has it do so before our filter sees a call, so that the supervisor gets absolute
paths of the host. What PRoot's own fake root forgets, owners above all, is the supervisor's part (fakeroot.py).
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from builder.errors import SandboxError
from builder.sandbox import (
    NOT_EXECUTABLE,
    NOTHING,
    THE_KERNELS,
    Bind,
    File,
    Mount,
    Mountpoint,
    Outcome,
    Output,
    Process,
    Tmpfs,
    Truth,
    View,
    refuse_rights,
)
from builder.sandbox.child import START, run_child
from builder.sandbox.fakeroot import Supervisor
from builder.sandbox.loader import write_loader
from builder.sandbox.own import own_directory
from builder.sandbox.syscalls import NUMBERS
from builder.values import asdict, dataclass, field

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_RUNTIME = "/dev/.masu"  # where the command's tree shows masu's own interpreter, which starts it
_MEMORY = Path("/dev/shm")
_TMPFS = "tmpfs"


class Traced:
    name = "traced"
    moves = True  # nothing is read-only here: what a mount shows must be the mount's own
    believes = True
    concurrent = True
    caveat = "owners and rights are believed, not real: no command is kept from files of the image by their modes"
    mountpoints: tuple[Mountpoint, ...] = THE_KERNELS

    def __init__(self, state: Path) -> None:
        self._state = state
        self._processor: tuple[int | None] | None = None

    def unavailable(self, *, pinned: bool = False) -> str:
        """Runs nothing (`/.`: not executable, exit code 126) in an empty root: whatever is forbidden shows up here."""
        if own_directory() is None:
            return "only in masu's own image, whose interpreter runs anywhere"
        if os.uname().machine not in NUMBERS:
            return f"this machine's system calls ({os.uname().machine}) are unknown to masu"
        if _proot() is None:
            return "there is no proot beside masu's interpreter, nor in PATH"
        if ":" in str(self._state):
            return f"PRoot can't show a directory with a colon in its name: {str(self._state)!r}"
        self._state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".masu-probe-", dir=self._state) as name:
            root = Path(name) / "root"
            for point in self.mountpoints:
                (root / point.path.lstrip("/")).mkdir(parents=True)
            view = View(root=root, places={point.path: point.path for point in self.mountpoints})
            said: list[bytes] = []
            try:
                code = self.run(NOTHING, view, output=said.append).code
            except SandboxError as error:
                return error.message
        if code == NOT_EXECUTABLE:
            return ""
        first = b"".join(said).decode(errors="replace").strip().partition("\n")[0]
        return f"PRoot can't run a process here: {first or 'it was killed'}"

    def overlays(self, directory: Path) -> bool:
        return False

    def run(self, process: Process, view: View, *, output: Output) -> Outcome:
        refuse_rights(self.name, process)
        processor, proot = self._chosen_processor(), _proot()
        assert proot is not None  # `unavailable` has seen to that
        with tempfile.TemporaryDirectory(prefix="staging-", dir=view.root.parent) as staging:
            shown = _Shown(root=view.root, staging=Path(staging))
            try:
                shown.surroundings(view)
                for mount in view.mounts:
                    shown.mount(mount, view.places.get(mount.target, mount.target))
                trees = (str(view.root), *shown.trees)
                with Supervisor(view.beliefs, trees, processor, shown.given, process.hostname) as supervisor:
                    loader = Path(staging) / "loader"
                    spec = asdict(process) | {
                        "supervisor": supervisor.theirs,
                        "processor": processor,
                        "loader": write_loader(proot, loader),
                        "proot": [str(proot), "-r", str(view.root), *shown.arguments, "-w", "/", *_start()],
                        "environment": {"PROOT_NO_SECCOMP": "1", "PROOT_LOADER": str(loader), "LC_ALL": "C.UTF-8"},
                    }
                    code, _ = run_child("trace", spec, output=output, pass_fds=(supervisor.theirs,), stdin=process.stdin)
            finally:
                shown.remove()
        return Outcome(code=code)

    def _chosen_processor(self) -> int | None:
        if self._processor is None:
            _, answer = run_child("processor", {}, output=lambda _: None)
            self._processor = (answer.get("processor"),)
        return self._processor[0]


@dataclass(slots=True, kw_only=True)
class _Shown:
    """What PRoot is to show besides the root: `arguments` for it. `staging` is an empty directory on the root's file system.

    `trees` are directories outside of the root whose files are the command's; `given` the files that are somebody's from the
    start, by device and inode.
    """

    root: Path
    staging: Path
    arguments: list[str] = field(default_factory=list)
    trees: list[str] = field(default_factory=list)
    given: dict[tuple[int, int], Truth] = field(default_factory=dict)
    secrets: list[Path] = field(default_factory=list)
    made: list[Path] = field(default_factory=list)

    def surroundings(self, view: View) -> None:
        """/proc without the processes that are here already, /sys, and a /dev of its own."""
        proc, sys_, dev = (self._place(view, path) for path in ("/proc", "/sys", "/dev"))
        self._bind("/proc", proc)
        empty = self._made("empty", 0o555)
        for name in os.listdir("/proc"):
            if name.isdigit():
                self._bind(empty, f"{proc}/{name}")
        self._bind("/sys", sys_)
        self._devices(dev)

    def mount(self, mount: Mount, target: str) -> None:
        match mount:
            case Bind():
                self._bind(mount.source, target)
                self.trees.append(str(mount.source))
                if mount.owner is not None:
                    self._give(mount.source, *mount.owner)
            case Tmpfs():
                self._bind(self._made(f"tmpfs-{len(self.arguments)}", self._mode_beneath(mount, target)), target)
            case File():
                self._bind(self._secret(mount), target)

    def remove(self) -> None:
        for path in self.secrets:
            path.unlink()
        for path in self.made:
            path.rmdir()

    def _place(self, view: View, path: str) -> str:
        """A sandbox that has this one do its work may have left the place to us; PRoot would make it, and leave it."""
        missing = self.root / path.lstrip("/")
        if path not in view.places and not os.path.lexists(missing):
            missing.mkdir()
            self.made.append(missing)
        return view.places.get(path, path)

    def _bind(self, source: str | Path, target: str) -> None:
        self.arguments += ["-b", f"{source}:{target}"]

    def _made(self, name: str, mode: int) -> Path:
        path = self.staging / name
        path.mkdir()
        path.chmod(mode)
        self.trees.append(str(path))
        return path

    def _mode_beneath(self, mount: Tmpfs, target: str) -> int:
        """As attach.py has it."""
        path = self.root / target.lstrip("/")
        return 0o1777 if mount.new or not path.is_dir() else stat.S_IMODE(path.stat().st_mode)

    def _devices(self, target: str) -> None:
        directory = self._made("dev", 0o755)
        self._bind(directory, target)
        for name in _DEVICES:
            (directory / name).touch()
            self._bind(f"/dev/{name}", f"{target}/{name}")
        for name, link in _LINKS.items():
            (directory / name).symlink_to(link)
        for name, mode in (("shm", 0o1777), ("pts", 0o755), (_RUNTIME.rpartition("/")[2], 0o755)):
            (directory / name).mkdir()
            (directory / name).chmod(mode)
        if os.path.isdir("/dev/pts"):
            self._bind("/dev/pts", f"{target}/pts")
        own = own_directory()
        for name in ("bin", "lib"):
            (directory / f"{_RUNTIME.rpartition('/')[2]}/{name}").mkdir()
            self._bind(f"{own}/{name}", f"{target}/{_RUNTIME.rpartition('/')[2]}/{name}")

    def _secret(self, file: File) -> Path:
        """In memory where /dev/shm is that, else beside the root; removed afterwards."""
        directory = _MEMORY if _is_memory(_MEMORY) else self.staging
        descriptor, name = tempfile.mkstemp(prefix="masu-", dir=directory)
        path = Path(name)
        self.secrets.append(path)
        with open(descriptor, "wb") as opened:
            opened.write(file.data)
            os.fchmod(descriptor, 0o400)
            status = os.fstat(descriptor)
        self.given[status.st_dev, status.st_ino] = (stat.S_IFREG | file.mode, file.uid, file.gid, 0)
        return path

    def _give(self, path: Path, uid: int, gid: int) -> None:
        status = path.stat()
        self.given[status.st_dev, status.st_ino] = (status.st_mode, uid, gid, 0)


def _start() -> list[str]:
    """The command line of the child inside: its loader by name, since the one that the interpreter asks for isn't there."""
    own = own_directory()
    assert own is not None  # `unavailable` has seen to that
    lib, package = f"{_RUNTIME}/lib", Path(__file__).parents[2].relative_to(own)
    loader = next((own / "lib").glob("ld-*.so*")).name
    python = f"{_RUNTIME}/bin/{Path(sys.executable).resolve().name}"
    start = START.format(module="filtered")
    return [f"{lib}/{loader}", "--library-path", lib, python, "-I", "-S", "-c", start, "SPEC", "ANSWER", f"{_RUNTIME}/{package}"]


def _proot() -> Path | None:
    beside = Path(sys.executable).resolve().parent / "proot"
    found = str(beside) if beside.is_file() else shutil.which("proot")
    return Path(found) if found else None


def _is_memory(path: Path) -> bool:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        rows = [line.split(" ") for line in file]
    kinds = {row[4]: row[row.index("-") + 1] for row in rows}
    return kinds.get(str(path)) == _TMPFS and os.access(path, os.W_OK)
