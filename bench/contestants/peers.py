"""Where docker and buildah come from: the tool beside the repository that runs current ones, else what is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import Unavailable

_TOOL = Path(__file__).resolve().parents[3] / "shared" / "tools" / "modern-docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """`prefix` goes before a command to run it in a mount namespace of its own, where `host` is this machine's root directory."""

    prefix: tuple[str, ...]
    host: str
    docker_config: str

    def path(self, path: Path) -> str:
        return f"{self.host}{path}"


def find_system(*programs: str) -> System:
    """The system that has these programs; raises Unavailable."""
    if os.geteuid() != 0:
        raise Unavailable("the peers run as root")
    if _TOOL.exists():
        return _modern()
    if missing := [program for program in programs if not shutil.which(program)]:
        raise Unavailable(f"{', '.join(missing)} not installed")
    return System(prefix=("unshare", "--mount"), host="", docker_config="")


def _modern() -> System:
    """Setting it up takes minutes the first time, so that is left to its user: `modern-docker start`."""
    done = subprocess.run([_TOOL, "env"], capture_output=True, text=True, check=False)
    config = re.search(r"DOCKER_CONFIG=(\S+)", done.stdout)
    if config is None or not (Path(config[1]).parent / "ready").exists():
        raise Unavailable("../shared/tools/modern-docker isn't set up: run it with `start` once")
    return System(prefix=(str(_TOOL), "exec", str(Path(config[1]).parent)), host="/host", docker_config=config[1])


def answer(*argv: str) -> str:
    """The first line that a command prints, for versions."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip().partition("\n")[0]
