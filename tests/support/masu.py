"""Running masu as its users do: as a command, with a state directory of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.busybox import make_root

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Masu:
    """`state` holds its store; `env` is added to an otherwise small environment."""

    state: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "TMPDIR")}
        return kept | {"HOME": str(self.state), "MASU_STATE_DIR": str(self.state), "PYTHONPATH": str(ROOT)} | dict(self.env)

    def argv(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "builder", *(str(argument) for argument in arguments)]

    def __call__(
        self, *arguments: str | Path, input: bytes | None = None, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its exit code."""
        done = subprocess.run(
            self.argv(*arguments), env=self.environment(), input=input, capture_output=True, cwd=cwd, check=False, timeout=300
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.argv(*arguments), env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def write_context(directory: Path, dockerfile: str, files: Mapping[str, str | bytes] | None = None) -> Path:
    """A build context with these files; returns its directory."""
    for name, content in {"Dockerfile": dockerfile, **(files or {})}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return directory


def add_base(masu: Masu, directory: Path, *, name: str = "base") -> None:
    """Put a busybox image into the store, as a user would: by ADD of a root filesystem's archive."""
    root = make_root(directory / "root")
    context = write_context(directory / "context", 'FROM scratch\nADD rootfs.tar /\nCMD ["sh"]\n')
    subprocess.run(["tar", "-C", root, "-cf", context / "rootfs.tar", "."], check=True)
    done = masu("build", "--tag", name, context)
    assert done.returncode == 0, done.stderr


def shell(argv: Sequence[str | Path]) -> str:
    """What a program of the machine prints; a failure shows what it said."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, check=False, text=True, timeout=300)
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout
