"""Numbers of the system calls that the fake root answers, for each machine. Stdlib only.

From arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h; calls newer than 5.1 have the same
number everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""How a seccomp filter knows the machine (linux/audit.h); masu's `traced` sandbox knows no other."""

_X86_64 = {
    "stat": 4, "fstat": 5, "lstat": 6, "newfstatat": 262,
    "open": 2, "openat": 257, "creat": 85,
    "mkdir": 83, "mkdirat": 258, "symlink": 88, "symlinkat": 266, "mknod": 133, "mknodat": 259,
    "chmod": 90, "fchmod": 91, "fchmodat": 268,
    "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260,
    "getuid": 102, "geteuid": 107, "getgid": 104, "getegid": 108, "getresuid": 118, "getresgid": 120, "getgroups": 115,
    "setuid": 105, "setgid": 106, "setreuid": 113, "setregid": 114, "setresuid": 117, "setresgid": 119, "setgroups": 116,
    "setfsuid": 122, "setfsgid": 123, "capget": 125, "capset": 126,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "getxattr": 191, "lgetxattr": 192, "fgetxattr": 193,
    "listxattr": 194, "llistxattr": 195, "flistxattr": 196, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
    "uname": 63, "prctl": 157, "setrlimit": 160, "prlimit64": 302,
    "statx": 332, "execveat": 322, "name_to_handle_at": 303,
}  # fmt: skip
_AARCH64 = {
    "fstat": 80, "newfstatat": 79, "openat": 56,
    "mkdirat": 34, "symlinkat": 36, "mknodat": 33, "fchmod": 52, "fchmodat": 53, "fchown": 55, "fchownat": 54,
    "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "getresuid": 148, "getresgid": 150, "getgroups": 158,
    "setuid": 146, "setgid": 144, "setreuid": 145, "setregid": 143, "setresuid": 147, "setresgid": 149, "setgroups": 159,
    "setfsuid": 151, "setfsgid": 152, "capget": 90, "capset": 91,
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "getxattr": 8, "lgetxattr": 9, "fgetxattr": 10,
    "listxattr": 11, "llistxattr": 12, "flistxattr": 13, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "uname": 160, "prctl": 167, "setrlimit": 164, "prlimit64": 261,
    "statx": 291, "execveat": 281, "name_to_handle_at": 264,
}  # fmt: skip
_EVERYWHERE = {
    "io_uring_setup": 425, "openat2": 437, "faccessat2": 439, "fchmodat2": 452,
    "setxattrat": 463, "getxattrat": 464, "listxattrat": 465, "removexattrat": 466,
}  # fmt: skip

NUMBERS: Mapping[str, Mapping[str, int]] = {"x86_64": _X86_64 | _EVERYWHERE, "aarch64": _AARCH64 | _EVERYWHERE}
SECCOMP = {"x86_64": 317, "aarch64": 277}

UNKNOWN_TO_PROOT = (
    "statx", "execveat", "name_to_handle_at", "io_uring_setup", "openat2", "faccessat2", "fchmodat2",
    "setxattrat", "getxattrat", "listxattrat", "removexattrat",
)  # fmt: skip
"""Calls whose paths PRoot 5.1.0 doesn't translate, being older than they are. They fail with ENOSYS as on an old kernel, and
programs fall back on what PRoot knows."""
