"""One file system for everything that is measured: an ext4 in a file of its own, so that no discard of the disk is timed."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.console import loudly

_SPACE = 40 << 30  # bytes; the file is sparse


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """An empty directory; `kind` describes its file system."""

    path: Path
    kind: str

    @property
    def place(self) -> str:
        """A line for the report about where figures come from."""
        kernel = ".".join(platform.release().split(".")[:2])
        return f"{os.cpu_count()} cores, Linux {kernel}, Python {platform.python_version()}; file system: {self.kind}."

    def fresh(self, name: str) -> Path:
        """The directory `name`, emptied."""
        directory = self.path / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        return directory

    def settle(self) -> None:
        """Wait until what was written is on the disk, so that the next run doesn't pay for it."""
        _run("sync", "--file-system", self.path)


@contextmanager
def opened_area(*, in_memory: int = 0) -> Iterator[Area]:
    """Mounted if this machine lets us, else a temporary directory; gone when the context ends.

    In memory if so many bytes of it are given and free, for what isn't to be measured with the disk.
    """
    temporary = Path(tempfile.mkdtemp(prefix="masu-bench-"))
    try:
        if in_memory and _mount_memory(temporary, in_memory):
            kind = "tmpfs"
        else:
            kind = "loop-mounted ext4" if _mount(temporary) else "the temporary directory's own"
        directory = temporary / "area"
        directory.mkdir(exist_ok=True)
        yield Area(path=directory, kind=kind)
    finally:
        if os.path.ismount(temporary / "area"):
            _run("umount", temporary / "area") or _run("umount", "--lazy", temporary / "area")
        shutil.rmtree(temporary)


def _mount_memory(temporary: Path, size: int) -> bool:
    available = re.search(r"^MemAvailable: *(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if os.geteuid() != 0 or available is None or int(available[1]) << 10 < size * 5 // 4:
        loudly(f"no {size >> 20} MB of memory are free: figures include what the disk does (see docs/performance.md)")
        return False
    (temporary / "area").mkdir()
    return _run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", temporary / "area")


def _mount(temporary: Path) -> bool:
    image, directory = temporary / "ext4", temporary / "area"
    directory.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        with image.open("wb") as file:
            file.truncate(_SPACE)
        now = "lazy_itable_init=0,lazy_journal_init=0"  # later, in the background, it would disturb
        if _run("mkfs.ext4", "-q", "-F", "-E", now, image) and _run("mount", "-o", "loop,noatime", image, directory):
            return True
    loudly("no loop-mounted ext4 here: figures include what the temporary directory's disk does (see docs/performance.md)")
    return False


def _run(*argv: str | Path) -> bool:
    """Whether the command is there and succeeds."""
    if not shutil.which(argv[0]):
        return False
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
