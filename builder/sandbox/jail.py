"""The sandbox child of `chroot`: gives a stage a /dev, places its mounts and runs one process in it. Stdlib only."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from typing import Any, NoReturn

from builder.sandbox.command import Watch, run_command, serve
from builder.sandbox.placing import Placing

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def main() -> NoReturn:
    serve(_run)


def _run(spec: dict[str, Any], answer: int) -> tuple[int | None, set[str]]:
    root = spec["root"]
    with ExitStack() as stack:
        placing = Placing(root=root, staging=spec["staging"])
        stack.callback(placing.remove)
        placing.put({"kind": "bind", "target": spec["places"]["/dev"], "source": _devices(spec["staging"])})
        for mount in spec["mounts"]:
            placing.put(mount)
        watch = Watch(root, (os.path.relpath(path, root).removeprefix(".") for path in placing.touched), spec["staging"])
        status = run_command(spec, answer, root=root)
        return status, watch.untouched() | {os.path.relpath(path, root) for path in placing.hidden}


def _devices(staging: str) -> str:
    """A new /dev with the container's own device numbers; the descriptors of a process can't be had without /proc."""
    directory = f"{staging}/dev"
    os.mkdir(directory, 0o755)
    for name in _DEVICES:
        status = os.stat(f"/dev/{name}")
        os.mknod(f"{directory}/{name}", stat.S_IFCHR | 0o666, status.st_rdev)
        os.chmod(f"{directory}/{name}", 0o666)
    os.mkdir(f"{directory}/shm")
    os.chmod(f"{directory}/shm", 0o1777)
    return directory
