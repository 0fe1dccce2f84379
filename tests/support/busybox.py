"""A tiny root filesystem with Debian's static busybox: enough to run commands in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

APPLETS = (
    "sh", "cat", "chmod", "chown", "cp", "echo", "env", "false", "grep", "hostname", "id", "ip", "kill", "ln", "ls", "mkdir",
    "mount", "mv", "ps", "pwd", "rm", "setsid", "sleep", "stat", "test", "touch", "true", "wget",
)  # fmt: skip


def make_root(directory: Path) -> Path:
    """Make it in `directory` (new); skips the test where busybox-static isn't installed."""
    program = shutil.which("busybox", path="/bin:/usr/bin")
    if program is None:
        pytest.skip("busybox-static is not installed")
    for name in ("bin", "proc", "sys", "dev", "etc", "tmp", "root"):
        (directory / name).mkdir(parents=True)
    (directory / "tmp").chmod(0o1777)
    shutil.copy(program, directory / "bin/busybox")
    for applet in APPLETS:
        (directory / "bin" / applet).symlink_to("busybox")
    (directory / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nsmith:x:1000:1000:Smith:/home/smith:/bin/sh\n")
    (directory / "etc/group").write_text("root:x:0:\nsmith:x:1000:\nwheel:x:10:smith\n")
    return directory
