"""The sandbox child of `namespaces`: reads a specification, makes the namespaces and mounts, runs one process as their init.

It runs as a program of its own (the builder has threads, so it must not fork itself) and imports the stdlib only.
What goes wrong before the process runs is written to the report descriptor; nothing there means that it ran.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import socket
import sys
from typing import Any, NoReturn

from builder.sandbox import linux
from builder.sandbox.attach import attach, bind

# BuildKit's name for it: package scripts write the host name into files, and the image should be the same.
HOSTNAME = "buildkitsandbox"

# The capabilities that docker gives a container (moby, oci/caps/defaults.go), by number: CHOWN DAC_OVERRIDE FOWNER FSETID KILL
# SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP.
_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31})

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
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


def main() -> NoReturn:
    """Read the specification from descriptor argv[1], report errors to argv[2]; exits with the process's exit code."""
    with open(int(sys.argv[1]), encoding="utf-8", errors="surrogateescape") as file:
        spec = json.load(file)
    report = int(sys.argv[2])
    os.set_inheritable(report, False)
    try:
        _die_with_parent()
        linux.unshare(_namespaces(spec))
        child = os.fork()
        if child == 0:
            _be_init(spec, report)
    except Exception as error:  # noqa: BLE001 - this program's last boundary: the builder shows what it was
        _fail(report, error)
    os.close(report)
    os._exit(_exit_code(os.waitpid(child, 0)[1]))


def _namespaces(spec: dict[str, Any]) -> int:
    network = linux.CLONE_NEWNET if spec["isolate_network"] else 0
    return linux.CLONE_NEWNS | linux.CLONE_NEWPID | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | network


def _die_with_parent() -> None:
    parent = os.getppid()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(128 + signal.SIGKILL)


def _be_init(spec: dict[str, Any], report: int) -> NoReturn:
    """As process 1 of the namespace: set it up, start the process, reap whatever ends, and take all the rest along at the end."""
    try:
        # os.getppid() is 0 from inside, so the race is closed by the parent's own death signal.
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        socket.sethostname(HOSTNAME)
        if spec["isolate_network"]:
            linux.bring_up_loopback()
        _mount_all(spec)
        _enter(spec["root"])
        child = os.fork()
        if child == 0:
            _exec(spec, report)
    except Exception as error:  # noqa: BLE001 - nor may the forked child return into its parent's code
        _fail(report, error)
    os.close(report)
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(_exit_code(status))


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


def _exec(spec: dict[str, Any], report: int) -> NoReturn:
    """Become the process: directory, identity, capabilities, environment, then execve(2) along PATH."""
    os.umask(0o022)
    os.makedirs(spec["cwd"], exist_ok=True)
    os.chdir(spec["cwd"])
    _limit(spec["limits"])
    if not spec["insecure"]:
        linux.drop_bounding_capabilities(_CAPABILITIES)
    _become(spec["uid"], spec["gid"], spec["groups"])
    for number in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    _exec_along_path(spec["argv"], spec["env"], report)


def _limit(limits: list[list[int]]) -> None:
    for number, soft, hard in limits:
        try:
            resource.setrlimit(number, (soft, hard))
        except (OSError, ValueError) as error:
            raise OSError(errno.EPERM, f"can't set resource limit {number} to {soft}:{hard}: {error}") from None


def _become(uid: int, gid: int, groups: list[int]) -> None:
    try:
        if groups or os.getgroups():
            os.setgroups(groups)
    except PermissionError:
        # Denied for good in a user namespace that maps one id (user_namespaces(7)), where nobody has other groups.
        if set(groups) - {gid}:
            raise OSError(
                errno.EPERM, f"can't take on the groups {groups} of uid {uid}: this user namespace has one id only"
            ) from None
    try:
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        message = f"can't become uid {uid}, gid {gid}: {error.strerror}; does this user namespace map them?"
        raise OSError(error.errno, message) from None


def _exec_along_path(argv: list[str], env: dict[str, str], report: int) -> NoReturn:
    program = argv[0]
    path = env.get("PATH", "")
    candidates = [program] if "/" in program else [os.path.join(folder, program) for folder in path.split(":") if folder]
    code, problem = _NOT_FOUND, f"no such program in PATH {path!r}" if "/" not in program else "no such file"
    for candidate in candidates:
        try:
            os.execve(candidate, argv, env)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.exists(candidate):
                problem = "its interpreter is missing"
        except OSError as error:
            code, problem = _NOT_EXECUTABLE, os.strerror(error.errno or 0)
    os.write(2, f"exec {program!r}: {problem}\n".encode("utf-8", "surrogateescape"))
    os.close(report)
    os._exit(code)


def _fail(report: int, error: Exception) -> NoReturn:
    message = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}: {error.filename!r}" if error.filename else error.strerror
    os.write(report, message.encode("utf-8", "surrogateescape"))
    os._exit(1)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main()
