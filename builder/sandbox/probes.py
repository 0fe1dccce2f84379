"""What this machine allows, found by trying, each in a process of its own that ends with the answer."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from builder.errors import SandboxError
from builder.sandbox import linux, overlayfs
from builder.sandbox.takeover import try_renaming

_PTRACE_TRACEME = 0
_SECCOMP_GET_ACTION_AVAIL, _SECCOMP_RET_USER_NOTIF = 2, 0x7FC00000
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277, "riscv64": 277, "s390x": 348, "ppc64le": 358}


def allowed(state: Path) -> Mapping[str, str]:
    """What → why not, empty if it is allowed; `state` is masu's own directory, which exists."""
    tries: Mapping[str, Callable[[], None]] = {
        "user namespaces": lambda: linux.unshare(linux.CLONE_NEWUSER),
        "mounts": partial(_mount, "tmpfs", state),
        "overlayfs": partial(_mount, "overlay", state),
        "stages on overlay": partial(_carry_stages, state),
        "chroot": lambda: os.chroot("/"),
        "ptrace": _be_traced,
        "seccomp listener": _listen,
    }
    return {what: _why_not(attempt) for what, attempt in tries.items()} | {"renaming into /": try_renaming(state)}


def _why_not(attempt: Callable[[], None]) -> str:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            attempt()
        except OSError as error:
            os.write(write, (error.strerror or str(error)).encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        reason = answer.read().decode()
    os.waitpid(child, 0)
    return reason


def _mount(kind: str, state: Path) -> None:
    """In a new mount namespace, and in a user namespace where that alone is not allowed."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        linux.unshare(linux.CLONE_NEWNS)
    except PermissionError:
        linux.unshare(linux.CLONE_NEWNS | linux.CLONE_NEWUSER)
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1\n", encoding="ascii")
        Path("/proc/self/setgroups").write_text("deny\n", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1\n", encoding="ascii")
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    with tempfile.TemporaryDirectory(prefix=".masu-probe-", dir=state) as name:
        for part in ("lower", "upper", "work", "on"):
            os.mkdir(f"{name}/{part}")
        if kind == "tmpfs":
            linux.mount("tmpfs", f"{name}/on", "tmpfs")
        else:
            linux.mount("overlay", f"{name}/on", "overlay", 0, f"lowerdir={name}/lower,upperdir={name}/upper,workdir={name}/work")
        linux.umount(f"{name}/on")


def _carry_stages(state: Path) -> None:
    try:
        overlayfs.enter()
        reason = overlayfs.unsuitable(state)
    except SandboxError as error:
        reason = error.message
    if reason:
        raise OSError(reason)


def _be_traced() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_TRACEME, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _listen() -> None:
    """Whether the kernel can pass a system call to another process (seccomp(2), SECCOMP_RET_USER_NOTIF)."""
    libc = ctypes.CDLL(None, use_errno=True)
    action = ctypes.c_uint32(_SECCOMP_RET_USER_NOTIF)
    number = ctypes.c_long(_SYS_SECCOMP[os.uname().machine])
    if libc.syscall(number, ctypes.c_uint(_SECCOMP_GET_ACTION_AVAIL), ctypes.c_uint(0), ctypes.byref(action)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
