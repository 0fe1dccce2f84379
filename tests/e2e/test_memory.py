"""masu's own memory stays flat, however large a layer is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.masu import Masu, write_context
from tests.support.registry import serve_registry

LIMIT_MB = 200
LAYER_BYTES = 2 << 30
_MEASURE = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def _peak_mb(masu: Masu, *arguments: str | Path) -> float:
    """Run masu and return the most memory it had; its children, which end before it, don't count."""
    argv = [sys.executable, "-c", _MEASURE, *masu.argv(*arguments)]
    done = subprocess.run(argv, env=masu.environment(), capture_output=True, check=False, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.splitlines()[-1]) / 1024


def _large_file(path: Path) -> None:
    """Random megabytes at every 16th place of 2 GB: neither all holes nor incompressible."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(LAYER_BYTES)
        for position in range(0, LAYER_BYTES, 16 << 20):
            os.pwrite(file.fileno(), os.urandom(1 << 20), position)


def test_a_2_gb_layer_is_built_pushed_and_pulled_in_little_memory(tmp_path: Path) -> None:
    _large_file(tmp_path / "context/large")
    context = write_context(tmp_path / "context", "FROM scratch\nCOPY large /large\n")
    (tmp_path / "registry").mkdir()
    with serve_registry(tmp_path / "registry") as registry:
        name = f"{registry.host}/large:1"
        built = _peak_mb(Masu(state=tmp_path / "one"), "build", "--progress=quiet", "-d", name, context)
        (context / "large").unlink()
        on_top = write_context(tmp_path / "top", f"FROM {name}\nCOPY Dockerfile /\n")
        unpacked = _peak_mb(Masu(state=tmp_path / "two"), "build", "--progress=quiet", "-d", name, on_top)
        warmed = _peak_mb(Masu(state=tmp_path / "three"), "warmer", "-v", "error", f"--cache-dir={tmp_path}/cache", "-i", name)
    assert max(built, unpacked, warmed) < LIMIT_MB
