"""Entering a user namespace, where an ordinary user is root: with the ids of /etc/subuid if newuidmap is there, else one id.

It is done once, at the start of a build and before any thread; everything afterwards is as for root (user_namespaces(7)).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder import process
from builder.errors import BuilderError, SandboxError
from builder.sandbox import linux

_HINT = "allow user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns) or run as root"


def enter(env: Mapping[str, str], *, with_one_id: bool = True) -> int:
    """Make this process root in a new user namespace; returns how many ids are mapped. SandboxError if not allowed.

    Where only one id could be mapped that is done only if `with_one_id`.
    """
    uid, gid = os.geteuid(), os.getegid()
    uids, gids = _subordinate(Path("/etc/subuid"), uid, env), _subordinate(Path("/etc/subgid"), uid, env)
    newuidmap, newgidmap = (shutil.which(name, path=env.get("PATH")) for name in ("newuidmap", "newgidmap"))
    if not with_one_id and not (uids and gids and newuidmap and newgidmap):
        raise SandboxError("this user has no range of ids to map", hint="install newuidmap and fill /etc/subuid and /etc/subgid")
    if uids and gids and newuidmap and newgidmap:
        mapper = _Mapper(([newuidmap, *_map(uid, *uids)], [newgidmap, *_map(gid, *gids)]), env)
        _unshare()
        mapper.write()
        return 1 + uids[1]
    _unshare()
    _map_one(uid, gid)
    return 1


def _unshare() -> None:
    try:
        linux.unshare(linux.CLONE_NEWUSER)
    except OSError as error:
        raise SandboxError(f"can't create a user namespace: {error.strerror}", hint=_HINT) from error


def _map(own: int, start: int, count: int) -> list[str]:
    return ["0", str(own), "1", "1", str(start), str(count)]


def _map_one(uid: int, gid: int) -> None:
    try:
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1\n", encoding="ascii")
        Path("/proc/self/setgroups").write_text("deny\n", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1\n", encoding="ascii")
    except OSError as error:
        raise SandboxError(f"can't map an id into the user namespace: {error.strerror}", hint=_HINT) from error


def _subordinate(path: Path, uid: int, env: Mapping[str, str]) -> tuple[int, int] | None:
    """The first range of this user in /etc/subuid or /etc/subgid (subuid(5)), or nothing."""
    import pwd

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = env.get("USER", "")
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(":")
        if len(fields) == 3 and fields[0] in (name, str(uid)) and fields[1].isdigit() and fields[2].isdigit():
            return int(fields[1]), int(fields[2])
    return None


class _Mapper:
    """A child left outside the namespace: newuidmap and newgidmap must be called from there, on this process."""

    def __init__(self, commands: Sequence[list[str]], env: Mapping[str, str]) -> None:
        parent = os.getpid()
        go_read, self._go = os.pipe()
        self._answer, answer_write = os.pipe()
        self._pid = os.fork()
        if self._pid:
            os.close(go_read)
            os.close(answer_write)
            return
        os.close(self._go)
        os.read(go_read, 1)
        os.write(answer_write, _run_helpers(commands, parent, env).encode())
        os._exit(0)

    def write(self) -> None:
        """Have the maps written; raises SandboxError with what the helper said."""
        os.close(self._go)
        with open(self._answer, "rb") as answer:
            problem = answer.read().decode(errors="replace")
        os.waitpid(self._pid, 0)
        if problem:
            raise SandboxError(f"can't map ids into the user namespace: {problem}", hint="check /etc/subuid and /etc/subgid")


def _run_helpers(commands: Sequence[list[str]], parent: int, env: Mapping[str, str]) -> str:
    for program, *numbers in commands:
        try:
            done = process.run([program, str(parent), *numbers], env={"PATH": env.get("PATH", "")})
        except BuilderError as error:
            return error.message
        if done.returncode:
            return done.stderr.decode(errors="replace").strip() or f"{program} failed"
    return ""
