"""Where hostile inputs are met: masu in a child that is measured, on a small disk of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.tars import OUTSIDE
from tests.support.zygote import Ended, Zygote, start_zygote

MEMORY = 400 << 20  # bytes
DISK = 300 << 20
ENV = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "1000000000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """`state` is on a disk of DISK bytes, if this machine lets us make one."""

    zygote: Zygote
    directory: Path
    state: Path

    def masu(self, *arguments: str, **details: object) -> Ended:
        """A command, of which nothing may be left; it must have ended by itself, in few bytes, and said what was wrong."""
        env = {**ENV, "HOME": str(self.directory), "MASU_STATE_DIR": str(self.state)}
        ended = self.zygote(arguments, env=env, cwd=self.directory, **details)  # type: ignore[arg-type]
        assert ended.code in (0, 1), (ended.code, ended.stderr[-3000:])
        assert "Traceback" not in ended.stderr, ended.stderr[-3000:]
        assert ended.memory < MEMORY, f"{ended.memory >> 20} MiB"
        assert os.listdir(self.state / "work") == []
        assert os.listdir(OUTSIDE) == []
        return ended


@contextmanager
def open_arena(directory: Path) -> Iterator[Arena]:
    (directory / "state").mkdir()
    (directory / "empty").mkdir()
    (directory / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    Path(OUTSIDE).mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(directory / "state")]
    mounted = subprocess.run(mount, check=False).returncode == 0
    try:
        with start_zygote(directory) as zygote:
            yield Arena(zygote=zygote, directory=directory, state=directory / "state")
    finally:
        if mounted:
            subprocess.run(["umount", directory / "state"], check=True)
        shutil.rmtree(OUTSIDE)
