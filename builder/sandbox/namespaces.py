"""The `namespaces` sandbox: mount, pid, uts and ipc namespace, pivot_root into the Rootfs, real /proc, /dev and /sys.

Needs CAP_SYS_ADMIN, as root or inside a user namespace (see userns.py, which an ordinary user's build enters at its start).
"""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from builder.errors import SandboxError
from builder.sandbox import THE_KERNELS, Bind, Mount, Mountpoint, Outcome, Output, Process, View, run_nothing
from builder.sandbox.child import run_child
from builder.values import asdict

log = logging.getLogger(__name__)


class Namespaces:
    name = "namespaces"
    moves = False
    believes = False
    concurrent = True
    caveat = ""
    mountpoints: tuple[Mountpoint, ...] = THE_KERNELS

    def __init__(self) -> None:
        self._overlays: dict[Path, bool] = {}

    def unavailable(self, *, pinned: bool = False) -> str:
        """Runs nothing in an empty root: whatever the kernel forbids shows up here."""
        with tempfile.TemporaryDirectory(prefix="masu-probe-") as directory:
            for mountpoint in self.mountpoints:
                os.mkdir(directory + mountpoint.path)
            try:
                self._run_nothing(Path(directory))
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
            try:
                self._run_nothing(probe / "root", bind)
            except SandboxError as error:
                log.debug("no overlayfs in %s: %s", directory, error.message)
                return False
        return True

    def _run_nothing(self, root: Path, *mounts: Mount) -> None:
        places = {mountpoint.path: mountpoint.path for mountpoint in self.mountpoints}
        run_nothing(self, View(root=root, places=places, mounts=mounts))

    def run(self, process: Process, view: View, *, output: Output) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="masu-staging-") as staging:
            code, _ = run_child(
                "contain", asdict(process) | view.to_json() | {"staging": staging}, output=output, stdin=process.stdin
            )
        return Outcome(code=code)
