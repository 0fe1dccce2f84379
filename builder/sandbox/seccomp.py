"""A seccomp filter that passes system calls on to another process, and that process's side of it. Stdlib only.

See seccomp(2), seccomp_unotify(2) and linux/seccomp.h.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
from typing import NamedTuple

from builder.sandbox import linux
from builder.sandbox.syscalls import AUDIT_ARCH, NUMBERS, SECCOMP, UNKNOWN_TO_PROOT

_ALLOW, _NOTIFY, _FAIL = 0x7FFF0000, 0x7FC00000, 0x00050000
_PRETEND = _FAIL  # with errno 0: the call isn't made and returns 0
_LOAD, _EQUAL, _ANY_BIT, _AT_LEAST, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER, _ARCH, _INSTRUCTION_POINTER_HIGH, _ARGUMENTS = 0, 4, 12, 16  # offsets in struct seccomp_data
_X32 = 0x40000000

_SET_MODE_FILTER = 1
_NEW_LISTENER, _WAIT_KILLABLE = 1 << 3, 1 << 5
_PR_SET_NO_NEW_PRIVS = 38

_RECEIVE, _SEND, _IS_VALID, _ADD_FD, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104
_SYNC_WAKE_UP = 1
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_ADDITION = struct.Struct("=QIIII")

CREATES = 0x40 | 0x400000  # O_CREAT, and the bit of its own that O_TMPFILE has
_RLIMIT_RTTIME = 15
_NOTIFIED_PRCTLS = (8, 23, 24, 28, 47)  # keep capabilities; read and drop of the bounding set; securebits; ambient set
_FLAGS_ARGUMENT = {"open": 1, "openat": 2}
_CONDITIONAL = frozenset({"open", "openat", "prctl", "setrlimit", "prlimit64"})

_Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, operand: struct sock_filter."""


class Call(NamedTuple):
    """One system call that waits for an answer: `tid` makes it, `key` is for answering."""

    key: int
    tid: int
    number: int
    arguments: tuple[int, ...]


def program(machine: str, loader: int | None) -> bytes:
    """The filter: what fake root answers is notified, what PRoot doesn't know fails, all else is allowed.

    What PRoot's loader opens is notified too, if it runs at this address: it is a program that has just been executed.
    """
    numbers = NUMBERS[machine]
    code: list[_Instruction] = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, AUDIT_ARCH[machine]), _returning(_ALLOW)]
    code += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, _X32), _returning(_FAIL | errno.ENOSYS)]
    for name, number in numbers.items():
        if name in UNKNOWN_TO_PROOT:
            code += _for(number, [_returning(_FAIL | errno.ENOSYS)])
        elif name not in _CONDITIONAL:
            code += _for(number, [_returning(_NOTIFY)])
    for name, flags in _FLAGS_ARGUMENT.items():
        if name in numbers:
            code += _for(numbers[name], _open(flags, loader))
    code += _for(numbers["prctl"], _prctl())
    code += _for(numbers["setrlimit"], [_argument(0), (_EQUAL, 0, 1, _RLIMIT_RTTIME), _returning(_PRETEND), _returning(_ALLOW)])
    code += _for(numbers["prlimit64"], _prlimit())
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in [*code, _returning(_ALLOW)])


def _open(flags: int, loader: int | None) -> list[_Instruction]:
    body: list[_Instruction] = [_argument(flags), (_ANY_BIT, 0, 1, CREATES), _returning(_NOTIFY)]
    if loader is not None:
        body += [(_LOAD, 0, 0, _INSTRUCTION_POINTER_HIGH), (_EQUAL, 0, 1, loader >> 32), _returning(_NOTIFY)]
    return [*body, _returning(_ALLOW)]


def _prctl() -> list[_Instruction]:
    """A process that makes itself not dumpable could not be answered any more: it only believes so."""
    body: list[_Instruction] = [_argument(0), (_EQUAL, 0, 1, linux.PR_SET_DUMPABLE), _returning(_PRETEND)]
    for option in _NOTIFIED_PRCTLS:
        body += [(_EQUAL, 0, 1, option), _returning(_NOTIFY)]
    return [*body, _returning(_ALLOW)]


def _prlimit() -> list[_Instruction]:
    """A limit that no program sets, in which `believed.py` has something of its own: setting it does nothing."""
    return [
        _argument(1),
        (_EQUAL, 1, 0, _RLIMIT_RTTIME),
        _returning(_ALLOW),
        _argument(2),
        (_EQUAL, 1, 0, 0),
        _returning(_PRETEND),
        _returning(_ALLOW),
    ]


def _for(number: int, body: list[_Instruction]) -> list[_Instruction]:
    """`body` returns, and is skipped for other calls; the call's number is loaded before and after."""
    return [(_EQUAL, 0, len(body), number), *body]


def _argument(index: int) -> _Instruction:
    """Load the low half (both machines are little-endian)."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index)


def _returning(action: int) -> _Instruction:
    return (_RETURN, 0, 0, action)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def install(loader: int | None) -> int:
    """Put this process and all that it starts under the filter; returns the listener's descriptor."""
    machine = os.uname().machine
    libc = ctypes.CDLL(None, use_errno=True)
    linux.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    code = program(machine, loader)
    buffer = ctypes.create_string_buffer(code, len(code))
    prog = _Program(len(code) // 8, ctypes.addressof(buffer))
    for flags in (_NEW_LISTENER | _WAIT_KILLABLE, _NEW_LISTENER):  # the former since Linux 5.19
        listener = libc.syscall(ctypes.c_long(SECCOMP[machine]), _SET_MODE_FILTER, flags, ctypes.byref(prog))
        if listener >= 0:
            return int(listener)
    number = ctypes.get_errno()
    raise OSError(number, f"can't install a seccomp listener: {os.strerror(number)}")


class Listener:
    """The other side: receives calls and answers them."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        try:  # since Linux 6.6: whoever is answered runs at once, on the same processor
            fcntl.ioctl(descriptor, _SET_FLAGS, _SYNC_WAKE_UP)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTTY):
                raise

    def receive(self) -> Call | None:
        """The next call; None if whoever made it has been killed meanwhile."""
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.descriptor, _RECEIVE, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        key, tid, _, number, _, _, *arguments = _NOTIFICATION.unpack(buffer)
        return Call(key, tid, number, tuple(arguments))

    def is_waiting(self, call: Call) -> bool:
        """Whether the thread that made this call still waits for its answer, so that `tid` means it and nobody else."""
        try:
            fcntl.ioctl(self.descriptor, _IS_VALID, struct.pack("=Q", call.key))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            return False
        return True

    def give(self, call: Call, value: int) -> None:
        """The call returns `value`."""
        self._send(call, value, 0, 0)

    def refuse(self, call: Call, number: int) -> None:
        """The call fails with this errno."""
        self._send(call, 0, -number, 0)

    def let_through(self, call: Call) -> None:
        """The kernel does it."""
        self._send(call, 0, 0, _CONTINUE)

    def add(self, call: Call, descriptor: int, *, close_on_exec: bool) -> int:
        """A copy of our descriptor for whoever made the call; returns its number there."""
        flags = os.O_CLOEXEC if close_on_exec else 0
        number: int = fcntl.ioctl(self.descriptor, _ADD_FD, bytearray(_ADDITION.pack(call.key, 0, descriptor, 0, flags)))
        return number

    def _send(self, call: Call, value: int, error: int, flags: int) -> None:
        try:
            fcntl.ioctl(self.descriptor, _SEND, _RESPONSE.pack(call.key, value, error, flags))
        except OSError as failure:
            if failure.errno != errno.ENOENT:  # killed meanwhile
                raise


def names(machine: str) -> dict[int, str]:
    """Of the calls that may be notified, by number."""
    return {number: name for name, number in NUMBERS[machine].items() if name not in UNKNOWN_TO_PROOT}
