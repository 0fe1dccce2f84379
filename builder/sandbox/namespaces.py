"""The `namespaces` sandbox: mount, pid, uts and ipc namespace, pivot_root into the Rootfs, real /proc, /dev and /sys.

Needs CAP_SYS_ADMIN, as root or inside a user namespace (see userns.py, which an ordinary user's build enters at its start).
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from builder import process as door
from builder.errors import SandboxError
from builder.sandbox import Bind, Mount, Mountpoint, Process
from builder.sandbox.mounts import to_json

log = logging.getLogger(__name__)

_PACKAGE_ROOT = str(Path(__file__).parents[2])
_START = "import sys; sys.path.insert(0, sys.argv[3]); from builder.sandbox.contain import main; main()"
_CHUNK = 1 << 16


class Namespaces:
    name = "namespaces"
    mountpoints: tuple[Mountpoint, ...] = (
        Mountpoint(path="/proc", directory=True),
        Mountpoint(path="/sys", directory=True),
        Mountpoint(path="/dev", directory=True),
    )

    def __init__(self) -> None:
        self._overlays: dict[Path, bool] = {}

    def unavailable(self) -> str:
        """Runs nothing (`/.`: not executable, exit code 126) in an empty root: whatever the kernel forbids shows up here."""
        with tempfile.TemporaryDirectory(prefix="masu-probe-") as directory:
            for mountpoint in self.mountpoints:
                os.mkdir(directory + mountpoint.path)
            places = {mountpoint.path: mountpoint.path for mountpoint in self.mountpoints}
            probe = Process(argv=("/.",), env={}, cwd="/")
            try:
                self.run(probe, root=Path(directory), places=places, mounts=(), output=lambda _: None)
            except SandboxError as error:
                return error.message
        return ""

    def overlays(self, directory: Path) -> bool:
        if directory not in self._overlays:
            self._overlays[directory] = self._try_overlay(directory)
        return self._overlays[directory]

    def _try_overlay(self, directory: Path) -> bool:
        """In a root with nothing but the mount points, as `unavailable` does."""
        with tempfile.TemporaryDirectory(prefix="masu-probe-", dir=directory) as name:
            probe = Path(name)
            for path in ("root", "root/proc", "root/sys", "root/dev", "root/x", "lower", "upper"):
                (probe / path).mkdir()
            bind = Bind(source=probe / "lower", target="/x", upper=probe / "upper")
            places = {mountpoint.path: mountpoint.path for mountpoint in self.mountpoints}
            process = Process(argv=("/.",), env={}, cwd="/")
            try:
                self.run(process, root=probe / "root", places=places, mounts=(bind,), output=lambda _: None)
            except SandboxError as error:
                log.debug("no overlayfs in %s: %s", directory, error.message)
                return False
        return True

    def run(
        self,
        process: Process,
        *,
        root: Path,
        places: Mapping[str, str],
        mounts: tuple[Mount, ...],
        output: Callable[[bytes], None],
    ) -> int:
        with tempfile.TemporaryDirectory(prefix="masu-staging-") as staging:
            spec = asdict(process) | {
                "root": str(root),
                "places": dict(places),
                "mounts": [to_json(mount) for mount in mounts],
                "staging": staging,
            }
            return _contain(json.dumps(spec).encode("utf-8", "surrogateescape"), output)


def _contain(spec: bytes, output: Callable[[bytes], None]) -> int:
    """Start contain.py with `spec`, pass its output on and wait for its end; it never outlives this call."""
    spec_read = _memory_file(spec)
    report_read, report_write = os.pipe()
    try:
        argv = [sys.executable, "-I", "-S", "-c", _START, str(spec_read), str(report_write), _PACKAGE_ROOT]
        child = door.start(argv, env={"LC_ALL": "C.UTF-8"}, pass_fds=(spec_read, report_write))
    except BaseException:
        os.close(report_read)
        raise
    finally:
        os.close(spec_read)
        os.close(report_write)
    try:
        assert child.stdout is not None
        while chunk := os.read(child.stdout.fileno(), _CHUNK):
            output(chunk)
        code = child.wait()
        problem = os.read(report_read, _CHUNK).decode("utf-8", "replace")
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()
        os.close(report_read)
    if problem:
        raise SandboxError(problem)
    return code


def _memory_file(data: bytes) -> int:
    descriptor = os.memfd_create("masu-spec", os.MFD_CLOEXEC)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
