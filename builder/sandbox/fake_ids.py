"""System calls about identity: who a process is, its groups, its capabilities, the host's name. Stdlib only."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Mapping

from builder.sandbox import linux, memory
from builder.sandbox.begin import CAPABILITIES
from builder.sandbox.believed import (
    UNCHANGED,
    Believed,
    Ids,
    Register,
    set_both,
    set_file,
    set_id,
    set_three,
    with_capabilities,
    with_file_user,
    with_users,
)
from builder.sandbox.seccomp import Call
from builder.values import dataclass, replace

_MOST_GROUPS = 65536
_FIELD = 65  # bytes of each field of struct utsname
_LAST_CAPABILITY = 40
_CAPABILITY_SETS = {0x19980330: 1, 0x20071026: 2, 0x20080522: 2}  # version → how many halves
_NEWEST = 0x20080522
_KEEP, _READ_BOUND, _DROP_BOUND, _SECURE_BITS, _AMBIENT = 8, 23, 24, 28, 47
_AMBIENT_RAISE = 2

Handler = Callable[[Call], int | None]
"""Does a call and returns what it returns, None to have the kernel do it; raises OSError for an errno."""


@dataclass(frozen=True, slots=True)
class Identities:
    """Answers from what `register` knows; the machine is called `hostname`."""

    register: Register
    hostname: str

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "getuid": lambda call: self._of(call).users.real,
            "geteuid": lambda call: self._of(call).users.effective,
            "getgid": lambda call: self._of(call).groups.real,
            "getegid": lambda call: self._of(call).groups.effective,
            "getresuid": lambda call: _write_three(call, self._of(call).users),
            "getresgid": lambda call: _write_three(call, self._of(call).groups),
            "setuid": lambda call: self._set_user(call, lambda now, free: set_id(now, _valid(call, 0), privileged=free)),
            "setgid": lambda call: self._set_group(call, lambda now, free: set_id(now, _valid(call, 0), privileged=free)),
            "setreuid": lambda call: self._set_user(call, lambda now, free: set_both(now, *_ids(call, 2), privileged=free)),
            "setregid": lambda call: self._set_group(call, lambda now, free: set_both(now, *_ids(call, 2), privileged=free)),
            "setresuid": lambda call: self._set_user(call, lambda now, free: set_three(now, *_ids(call, 3), privileged=free)),
            "setresgid": lambda call: self._set_group(call, lambda now, free: set_three(now, *_ids(call, 3), privileged=free)),
            "setfsuid": self._set_file_user,
            "setfsgid": self._set_file_group,
            "getgroups": self._get_groups,
            "setgroups": self._set_groups,
            "capget": self._get_capabilities,
            "capset": self._set_capabilities,
            "prctl": self._prctl,
            "uname": self._uname,
        }

    def _of(self, call: Call) -> Believed:
        return self.register.of(call.tid)

    def _set_user(self, call: Call, change: Callable[[Ids, bool], Ids]) -> int:
        old = self._of(call)
        self.register.note(call.tid, with_users(old, change(old.users, old.may(linux.CAP_SETUID))))
        return 0

    def _set_group(self, call: Call, change: Callable[[Ids, bool], Ids]) -> int:
        old = self._of(call)
        self.register.note(call.tid, replace(old, groups=change(old.groups, old.may(linux.CAP_SETGID))))
        return 0

    def _set_file_user(self, call: Call) -> int:
        old = self._of(call)
        users = set_file(old.users, _id(call, 0), privileged=old.may(linux.CAP_SETUID))
        self.register.note(call.tid, with_file_user(old, users))
        return old.users.file

    def _set_file_group(self, call: Call) -> int:
        old = self._of(call)
        groups = set_file(old.groups, _id(call, 0), privileged=old.may(linux.CAP_SETGID))
        self.register.note(call.tid, replace(old, groups=groups))
        return old.groups.file

    def _get_groups(self, call: Call) -> int:
        others, room = self._of(call).others, _signed(call, 0)
        if room and room < len(others):
            raise _error(errno.EINVAL)
        if room and others:
            memory.write(call.tid, call.arguments[1], struct.pack(f"={len(others)}I", *others))
        return len(others)

    def _set_groups(self, call: Call) -> int:
        old, count = self._of(call), _signed(call, 0)
        if not old.may(linux.CAP_SETGID):
            raise _error(errno.EPERM)
        if not 0 <= count <= _MOST_GROUPS:
            raise _error(errno.EINVAL)
        data = memory.read(call.tid, call.arguments[1], 4 * count) if count else b""
        # Sorted, as the kernel keeps them (groups_sort in kernel/groups.c).
        self.register.note(call.tid, replace(old, others=tuple(sorted(struct.unpack(f"={count}I", data)))))
        return 0

    def _get_capabilities(self, call: Call) -> int:
        halves, pid = _capability_header(call)
        believed = self.register.of(pid or call.tid)
        if call.arguments[1]:
            sets = (believed.effective, believed.permitted, believed.inheritable)
            words = [bits >> (32 * half) & 0xFFFFFFFF for half in range(halves) for bits in sets]
            memory.write(call.tid, call.arguments[1], struct.pack(f"={len(words)}I", *words))
        return 0

    def _set_capabilities(self, call: Call) -> int:
        halves, _ = _capability_header(call)
        words = struct.unpack(f"={3 * halves}I", memory.read(call.tid, call.arguments[1], 12 * halves))
        effective, permitted, inheritable = (
            sum(words[3 * half + kind] << (32 * half) for half in range(halves)) for kind in range(3)
        )
        self.register.note(call.tid, with_capabilities(self._of(call), effective, permitted, inheritable))
        return 0

    def _prctl(self, call: Call) -> int:
        """Only what the filter passes on: about capabilities."""
        option, number, believed = _signed(call, 0), call.arguments[1], self._of(call)
        if option == _KEEP:
            self.register.note(call.tid, replace(believed, keeps=bool(number)))
        elif option == _READ_BOUND:
            if number > _LAST_CAPABILITY:
                raise _error(errno.EINVAL)
            return int(number in CAPABILITIES)
        elif option in (_DROP_BOUND, _SECURE_BITS):
            if not believed.may(linux.CAP_SETPCAP):
                raise _error(errno.EPERM)
        elif option == _AMBIENT:
            held = believed.permitted & believed.inheritable >> call.arguments[2] & 1
            if number == _AMBIENT_RAISE and not held:
                raise _error(errno.EPERM)
        return 0

    def _uname(self, call: Call) -> int:
        buffer = ctypes.create_string_buffer(6 * _FIELD)
        if ctypes.CDLL(None, use_errno=True).uname(buffer):
            raise _error(ctypes.get_errno())
        name = self.hostname.encode().ljust(_FIELD, b"\0")
        memory.write(call.tid, call.arguments[0], buffer.raw[:_FIELD] + name + buffer.raw[2 * _FIELD :])
        return 0


def _write_three(call: Call, ids: Ids) -> int:
    for address, number in zip(call.arguments, (ids.real, ids.effective, ids.saved), strict=False):
        memory.write(call.tid, address, struct.pack("=I", number))
    return 0


def _capability_header(call: Call) -> tuple[int, int]:
    """How many halves of 32 bits each set has, and the process that is meant (0: whoever asks)."""
    version, pid = struct.unpack("=Ii", memory.read(call.tid, call.arguments[0], 8))
    if version not in _CAPABILITY_SETS:
        memory.write(call.tid, call.arguments[0], struct.pack("=I", _NEWEST))
        raise _error(errno.EINVAL)
    return _CAPABILITY_SETS[version], pid


def _ids(call: Call, count: int) -> list[int]:
    return [_id(call, index) for index in range(count)]


def _id(call: Call, index: int) -> int:
    return call.arguments[index] & 0xFFFFFFFF


def _valid(call: Call, index: int) -> int:
    if _id(call, index) == UNCHANGED:
        raise _error(errno.EINVAL)
    return _id(call, index)


def _signed(call: Call, index: int) -> int:
    number = _id(call, index)
    return number - (1 << 32) if number >> 31 else number


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
