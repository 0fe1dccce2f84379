"""The sandbox child of `takeover`: puts a stage in the place of `/`, runs one process there, and puts everything back.

It lives until that is done, also when the builder is killed: it is told so by a signal. It runs in a program of its own, imports
the stdlib only, and nothing that it needs lies outside masu's own directory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

from builder.sandbox.begin import tell
from builder.sandbox.command import Watch, run_command, serve
from builder.sandbox.concealed import concealed
from builder.sandbox.kept import Kept, mount_points
from builder.sandbox.occupation import Conflict, Occupation
from builder.sandbox.placing import Placing

_HOSTNAME = "/etc/hostname"


def main() -> NoReturn:
    serve(_run)


def _run(spec: dict[str, Any], answer: int) -> tuple[int | None, set[str]]:
    kept = Kept.of(spec["kept"])
    before = mount_points()
    with ExitStack() as stack:
        stack.enter_context(concealed(spec["concealed"]))
        occupation = Occupation(root=spec["root"], home=spec["home"], kept=kept, hideable=frozenset(spec["hideable"]))
        stack.callback(occupation.leave)
        try:
            occupation.enter()
        except Conflict as conflict:
            tell(answer, {"conflict": conflict.args[0]})
            return None, set()
        placing = Placing(root="/", staging=spec["staging"])
        stack.callback(placing.remove)
        for mount in spec["mounts"]:
            placing.put(mount)
        stack.enter_context(_more_hosts(spec["hosts"]))
        if _HOSTNAME in kept.paths and os.access(_HOSTNAME, os.W_OK):
            stack.enter_context(_hostname_of(spec["root"]))
        watch = Watch("/", {*occupation.moved, *(path.lstrip("/") for path in placing.touched)}, spec["staging"])
        status = run_command(spec, answer)
        _check_mounts(before)
        return status, watch.untouched() | {path.lstrip("/") for path in placing.hidden}


@contextmanager
def _more_hosts(lines: list[str]) -> Iterator[None]:
    """Have these in the container's own /etc/hosts."""
    if not lines:
        yield
        return
    with open("/etc/hosts", "r+b", buffering=0) as file:
        before = file.read()
        file.write("".join(f"\n{line}" for line in [*lines, ""]).encode())
        try:
            yield
        finally:
            file.seek(0)
            file.write(before)
            file.truncate()


@contextmanager
def _hostname_of(root: str) -> Iterator[None]:
    """Unlike other files that a container has mounted, this one belongs to an image: lend it the stage's content meanwhile."""
    own, staged = _read(_HOSTNAME), _read(root + _HOSTNAME)
    lent = own if staged is None else staged
    if lent != own:
        _write(_HOSTNAME, lent)
    try:
        yield
    finally:
        now = _read(_HOSTNAME)
        if now != lent:
            os.makedirs(f"{root}/etc", exist_ok=True)
            _write(root + _HOSTNAME, now)
        if now != own:
            _write(_HOSTNAME, own)


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _write(path: str, data: bytes | None) -> None:
    with open(path, "wb") as file:
        file.write(data or b"")


def _check_mounts(before: dict[str, str]) -> None:
    """A command may rename a directory that leads to a mount point; put that back, or nothing below could be."""
    for identity, path in mount_points().items():
        old = before.get(identity, path)
        if old == path:
            continue
        while os.path.basename(old) == os.path.basename(path) and old != path:
            old, path = os.path.dirname(old), os.path.dirname(path)
        os.rename(path, old)
        raise OSError(0, f"the command has renamed {old!r} to {path!r}, which holds mount points of this container")
