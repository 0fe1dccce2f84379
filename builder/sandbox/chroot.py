"""The `chroot` sandbox: chroot(2) into the Rootfs, with a /dev of its own; there is no /proc and no /sys.

Needs root with CAP_SYS_CHROOT and CAP_MKNOD, as Docker's containers have them: for a container with a system of its own, which
`takeover` would have to move aside.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from builder.errors import SandboxError
from builder.sandbox import Mountpoint, Outcome, Output, Process, View, refuse_rights, run_nothing
from builder.sandbox.child import run_child
from builder.values import asdict


class Chroot:
    name = "chroot"
    mountpoints: tuple[Mountpoint, ...] = (Mountpoint(path="/dev", directory=True),)
    moves = True
    believes = False
    concurrent = False
    caveat = "commands find no /proc and no /sys, and no /dev/stdout"

    def __init__(self, state: Path) -> None:
        self._state = state

    def unavailable(self, *, pinned: bool = False) -> str:
        """Runs nothing in an empty root."""
        if os.geteuid() != 0:
            return "not root"
        self._state.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".masu-probe-", dir=self._state) as name:
            root = Path(name) / "root"
            (root / "dev").mkdir(parents=True)
            try:
                run_nothing(self, View(root=root, places={"/dev": "/dev"}))
            except SandboxError as error:
                return error.message
        return ""

    def overlays(self, directory: Path) -> bool:
        return False

    def run(self, process: Process, view: View, *, output: Output) -> Outcome:
        refuse_rights(self.name, process)
        with tempfile.TemporaryDirectory(prefix="staging-", dir=view.root.parent) as staging:
            code, answer = run_child(
                "jail", asdict(process) | view.to_json() | {"staging": staging}, output=output, stdin=process.stdin
            )
        return Outcome(code=code, untouched=frozenset(answer.get("untouched", ())))
