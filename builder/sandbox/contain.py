"""The sandbox child of `namespaces`: reads a specification, makes the namespaces and mounts, runs one process as their init.

It runs as a program of its own (the builder has threads, so it must not fork itself) and imports the stdlib only.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any, NoReturn

from builder.sandbox import linux
from builder.sandbox.attach import attach, bind
from builder.sandbox.begin import CAPABILITIES, begin, die_with_parent, exit_code, fail, read_spec

# runtime-spec defaults of containerd, oci/spec.go: hidden, and readable only.
_MASKED = (
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/sched_debug",
    "/proc/scsi",
)
_MASKED_SYS = ("/sys/firmware",)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}


def main() -> NoReturn:
    """Read the specification from descriptor argv[1], answer in argv[2]; exits with the process's exit code."""
    spec, answer = read_spec(int(sys.argv[1])), int(sys.argv[2])
    os.set_inheritable(answer, False)
    try:
        die_with_parent()
        linux.unshare(_namespaces(spec))
        child = os.fork()
        if child == 0:
            _be_init(spec, answer)
    except Exception as error:  # noqa: BLE001 - this program's last boundary: the builder shows what it was
        fail(answer, error)
    os.close(answer)
    os._exit(exit_code(os.waitpid(child, 0)[1]))


def _namespaces(spec: dict[str, Any]) -> int:
    network = linux.CLONE_NEWNET if spec["isolate_network"] else 0
    return linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | network


def _be_init(spec: dict[str, Any], answer: int) -> NoReturn:
    """As process 1 of the namespace: set it up, start the process, reap whatever ends, and take all the rest along at the end."""
    try:
        # os.getppid() is 0 from inside, so the race is closed by the parent's own death signal.
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        socket.sethostname(spec["hostname"])
        if spec["isolate_network"]:
            linux.bring_up_loopback()
        _mount_all(spec)
        _enter(spec["root"])
        child = os.fork()
        if child == 0:
            begin(spec, answer, capabilities=CAPABILITIES)
    except Exception as error:  # noqa: BLE001 - nor may the forked child return into its parent's code
        fail(answer, error)
    os.close(answer)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(exit_code(status))


def _mount_all(spec: dict[str, Any]) -> None:
    root, places = spec["root"], spec["places"]
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    linux.mount(root, root, None, linux.MS_BIND)
    _mount_proc(root + places["/proc"], insecure=spec["insecure"])
    _mount_sys(root + places["/sys"], insecure=spec["insecure"])
    _mount_dev(root + places["/dev"], shm_size=spec["shm_size"])
    attach(root, spec["mounts"], spec["staging"])


def _mount_proc(target: str, *, insecure: bool) -> None:
    safe = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    try:
        linux.mount("proc", target, "proc", safe)
    except PermissionError:
        # Inside a container whose own /proc is masked, the kernel refuses a new one (mount_too_revealing in fs/namespace.c).
        linux.mount("/proc", target, None, linux.MS_BIND | linux.MS_REC)
        return
    if insecure:
        return
    base = target.removesuffix("/proc")
    for path in _READ_ONLY:
        if os.path.exists(base + path):
            bind(base + path, base + path, flags=linux.MS_RDONLY, recursive=True)
    for path in _MASKED:
        _mask(base + path)


def _mount_sys(target: str, *, insecure: bool) -> None:
    flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC | (0 if insecure else linux.MS_RDONLY)
    try:
        linux.mount("sysfs", target, "sysfs", flags)
    except PermissionError:
        # A user namespace that doesn't own the network namespace may only bind what is there.
        linux.mount("/sys", target, None, linux.MS_BIND | linux.MS_REC)
    for path in () if insecure else _MASKED_SYS:
        _mask(target.removesuffix("/sys") + path)


def _mask(path: str) -> None:
    if os.path.isdir(path):
        linux.mount("tmpfs", path, "tmpfs", linux.MS_RDONLY, "size=0k")
    elif os.path.exists(path):
        linux.mount("/dev/null", path, None, linux.MS_BIND)


def _mount_dev(target: str, *, shm_size: int) -> None:
    linux.mount("tmpfs", target, "tmpfs", linux.MS_NOSUID | linux.MS_STRICTATIME, "mode=755,size=65536k")
    for name in _DEVICES:
        with open(f"{target}/{name}", "wb"):
            linux.mount(f"/dev/{name}", f"{target}/{name}", None, linux.MS_BIND)
    for name, link in _LINKS.items():
        os.symlink(link, f"{target}/{name}")
    safe = linux.MS_NOSUID | linux.MS_NOEXEC
    for name, kind, flags, data in (
        ("shm", "tmpfs", safe | linux.MS_NODEV, f"mode=1777,size={shm_size}"),
        ("mqueue", "mqueue", safe | linux.MS_NODEV, None),
    ):
        os.mkdir(f"{target}/{name}")
        linux.mount(kind, f"{target}/{name}", kind, flags, data)
    os.mkdir(f"{target}/pts")
    options = "newinstance,ptmxmode=0666,mode=0620"
    try:
        linux.mount("devpts", f"{target}/pts", "devpts", safe, f"{options},gid=5")
    except OSError:  # the group tty has no mapping in a user namespace with one id
        linux.mount("devpts", f"{target}/pts", "devpts", safe, options)


def _enter(root: str) -> None:
    os.chdir(root)
    linux.pivot_root(".", ".")
    linux.umount(".", linux.MNT_DETACH)
    os.chdir("/")
