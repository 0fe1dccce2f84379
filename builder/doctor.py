"""`masu doctor`: what this machine allows, and which sandbox a build would use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from builder.errors import BuilderError
from builder.image.reference import DEFAULT_HOST
from builder.options import CommonOptions, RegistryFlags
from builder.remotes import transport_of
from builder.sandbox import SANDBOXES, linux
from builder.sandbox.own import own_directory
from builder.sandbox.probes import allowed
from builder.state import State

# By their numbers (linux/capability.h).
_CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
    "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
    "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
_MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_NO_LIMIT = 1 << 60  # bytes; cgroup v1 gives a number near 2^63 for none


def examine(hosts: Sequence[str], registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> tuple[str, bool]:
    """What was found, as text, and whether some sandbox can run commands here."""
    state = State.at(common.state_dir, env).root
    state.mkdir(parents=True, exist_ok=True)
    sandboxes, usable = _sandboxes(common.sandbox, state)
    sections = [
        _section("who we are", _identity(state)),
        _section(
            "what the kernel allows", ((what, (reason and f"no: {reason}") or "yes") for what, reason in allowed(state).items())
        ),
        _section("what there is", _resources(state)),
        _section("registries", (_reached(host, registry, env) for host in hosts or (DEFAULT_HOST,))),
        _section("sandboxes, in the order in which they are tried", sandboxes),
    ]
    return "\n".join(sections), usable


def _section(title: str, rows: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> str:
    return f"{title}:\n" + "".join(f"  {name:<18}{text}\n" for name, text in rows)


def _identity(state: Path) -> Iterator[tuple[str, str]]:
    yield "user", f"uid {os.geteuid()}, gid {os.getegid()}"
    held = linux.effective_capabilities()
    lacking = [name for number, name in enumerate(_CAPABILITIES) if number not in held]
    names = [name for number, name in enumerate(_CAPABILITIES) if number in held]
    few = len(names) <= len(lacking)
    yield "capabilities", (" ".join(names) or "none") if few else f"all{' but ' + ' '.join(lacking) if lacking else ''}"
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if ":" in line
    )
    yield "no_new_privs", "yes" if status.get("NoNewPrivs", "0").strip() == "1" else "no"
    yield "seccomp filter", "yes" if status.get("Seccomp", "0").strip() == "2" else "no"
    own = own_directory()
    yield "masu", f"in an image of its own, below {str(own)!r}" if own else "runs with this system's own Python"


def _resources(state: Path) -> Iterator[tuple[str, str]]:
    yield "state directory", f"{state}, {shutil.disk_usage(state).free / 1e9:.1f} GB free"
    yield "memory limit", _memory_limit()
    yield "processors", str(len(os.sched_getaffinity(0)))


def _memory_limit() -> str:
    for path in _MEMORY_LIMITS:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < _NO_LIMIT:
            return f"{int(text) / 1e6:.0f} MB"
    return "none"


def _reached(host: str, registry: RegistryFlags, env: Mapping[str, str]) -> tuple[str, str]:
    try:
        return host, f"answers at {transport_of(registry, env).reach(host)}"
    except BuilderError as error:
        return host, f"can't be reached: {error.message}"


def _sandboxes(wanted: str, state: Path) -> tuple[list[tuple[str, str]], bool]:
    rows, chosen = [], False
    for name, make in SANDBOXES.items():
        sandbox = make(state)
        reason = sandbox.unavailable(pinned=wanted == name)
        text = f"no: {reason}" if reason else "yes"
        if not reason and not chosen and wanted in ("auto", name):
            chosen = True
            text = "a build would use this one"
        rows.append((name, f"{text}; {sandbox.caveat}" if sandbox.caveat and not reason else text))
    return rows, chosen
