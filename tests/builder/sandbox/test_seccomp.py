"""The filter, by an interpreter of its language, and its tables."""

from __future__ import annotations

import errno
import struct

import pytest

from builder.sandbox import seccomp
from builder.sandbox.fake_files import Files
from builder.sandbox.fake_ids import Identities
from builder.sandbox.syscalls import AUDIT_ARCH, NUMBERS, UNKNOWN_TO_PROOT

ALLOW, NOTIFY, FAIL = 0x7FFF0000, 0x7FC00000, 0x00050000
MACHINES = sorted(NUMBERS)
LOADER = 0x6000_0000_0000


def decided(machine: str, number: int, *arguments: int, at: int = 0x5555_0000_1000, arch: int | None = None) -> int:
    """What the filter says, as the kernel interprets it (linux/filter.h)."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, AUDIT_ARCH[machine] if arch is None else arch, at, *padded)
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine, LOADER)))
    position = loaded = 0
    while True:
        operation, yes, no, operand = code[position]
        position += 1
        if operation == 0x06:
            return int(operand)
        if operation == 0x20:
            (loaded,) = struct.unpack_from("=I", data, operand)
        else:
            holds = {0x15: loaded == operand, 0x45: bool(loaded & operand), 0x35: loaded >= operand}[operation]
            position += yes if holds else no


@pytest.mark.parametrize("machine", MACHINES)
def test_identity_owners_and_modes_are_notified(machine: str) -> None:
    for name in ("getuid", "setresuid", "fchownat", "fchmod", "newfstatat", "mkdirat", "mknodat", "capget", "uname", "fsetxattr"):
        assert decided(machine, NUMBERS[machine][name]) == NOTIFY, name


@pytest.mark.parametrize("machine", MACHINES)
def test_what_proot_does_not_know_fails_as_on_an_old_kernel(machine: str) -> None:
    for name in UNKNOWN_TO_PROOT:
        assert decided(machine, NUMBERS[machine][name]) == FAIL | errno.ENOSYS, name


@pytest.mark.parametrize("machine", MACHINES)
def test_opening_is_notified_only_if_something_may_be_made_or_a_program_begins(machine: str) -> None:
    number = NUMBERS[machine]["openat"]
    assert decided(machine, number, 0, 0, 0o2) == ALLOW
    assert decided(machine, number, 0, 0, 0o102) == NOTIFY
    assert decided(machine, number, 0, 0, 0o20200002) == NOTIFY
    assert decided(machine, number, 0, 0, 0, at=LOADER + 0x123) == NOTIFY


@pytest.mark.parametrize("machine", MACHINES)
def test_the_limit_that_says_who_a_process_is_can_be_read_and_not_set(machine: str) -> None:
    numbers = NUMBERS[machine]
    assert decided(machine, numbers["prlimit64"], 0, 15, 0, 4096) == ALLOW
    assert decided(machine, numbers["prlimit64"], 0, 15, 4096) == FAIL
    assert decided(machine, numbers["setrlimit"], 15, 4096) == FAIL
    assert decided(machine, numbers["prlimit64"], 0, 7, 4096) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_of_prctl_capabilities_are_notified_and_hiding_is_pretended(machine: str) -> None:
    number = NUMBERS[machine]["prctl"]
    assert [decided(machine, number, option) for option in (4, 15, 24, 38)] == [FAIL, ALLOW, NOTIFY, ALLOW]


def test_calls_of_another_architecture_are_not_understood() -> None:
    assert decided("x86_64", NUMBERS["x86_64"]["chown"], arch=0x40000003) == ALLOW
    assert decided("x86_64", NUMBERS["x86_64"]["chown"] | 0x40000000) == FAIL | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_that_is_notified_has_somebody_who_answers(machine: str) -> None:
    register, listener = None, None
    answered = {
        *Identities(register, "host").handlers(),  # type: ignore[arg-type]
        *Files(book=None, register=register, listener=listener, trees=(), given={}).handlers(),  # type: ignore[arg-type]
    }
    notified = {name for name in NUMBERS[machine] if name not in UNKNOWN_TO_PROOT} - {"setrlimit", "prlimit64"}
    assert notified <= answered
