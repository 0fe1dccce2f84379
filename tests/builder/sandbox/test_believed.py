"""Believed credentials change as the kernel's do: both get the same calls."""

from __future__ import annotations

import ctypes
import json
import os
import random
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace

import pytest

from builder.sandbox import linux
from builder.sandbox.begin import CAPABILITIES
from builder.sandbox.believed import (
    ALL,
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
    with_program,
    with_users,
)
from tests.builder.rootfs.conftest import needs_root

Step = tuple[str, tuple[int, ...]]
_NUMBERS = (0, 1, 2, UNCHANGED)


def steps(seed: int) -> list[Step]:
    chance = random.Random(seed)
    counts = {"setuid": 1, "setreuid": 2, "setresuid": 3, "setfsuid": 1}
    names = [chance.choice(list(counts)) for _ in range(6)]
    return [(name, tuple(chance.choice(_NUMBERS[: 3 if name == "setuid" else 4]) for _ in range(counts[name]))) for name in names]


def believed_states(all_steps: list[Step]) -> list[object]:
    now = Believed()
    states: list[object] = []
    for name, numbers in all_steps:
        try:
            now = (with_file_user if name == "setfsuid" else with_users)(now, _changed(name, now, numbers))
            failed = False
        except PermissionError:
            failed = True
        users = now.users
        states.append(
            [failed, users.real, users.effective, users.saved, users.file, now.may(linux.CAP_CHOWN), bool(now.permitted)]
        )
    return states


def _changed(name: str, now: Believed, numbers: tuple[int, ...]) -> Ids:
    privileged = now.may(linux.CAP_SETUID)
    if name == "setuid":
        return set_id(now.users, numbers[0], privileged=privileged)
    if name == "setfsuid":
        return set_file(now.users, numbers[0], privileged=privileged)
    if name == "setreuid":
        return set_both(now.users, numbers[0], numbers[1], privileged=privileged)
    return set_three(now.users, numbers[0], numbers[1], numbers[2], privileged=privileged)


def real_states(all_steps: list[Step]) -> list[object]:
    """What the kernel makes of the same calls, in a process of its own that is root at first."""
    libc = ctypes.CDLL(None)
    states: list[object] = []
    for name, numbers in all_steps:
        failed = getattr(libc, name)(*(ctypes.c_uint32(number) for number in numbers)) == -1 and name != "setfsuid"
        # As bytes: the library isn't readable for everyone, and a codec might still have to be loaded.
        with open("/proc/self/status", "rb") as file:
            status = dict(line.split(b":\t", 1) for line in file.read().splitlines() if b":\t" in line)
        ids = [int(number) for number in status[b"Uid"].split()]
        states.append([failed, *ids, *(int(status[which], 16) & 1 == 1 for which in (b"CapEff", b"CapPrm"))])
    return states


def in_child(work: Callable[[], object]) -> object:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, json.dumps(work()).encode())
        except BaseException:  # noqa: BLE001 - printed, and told by the exit code
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        text = answer.read()
    assert os.waitpid(child, 0)[1] == 0, text
    return json.loads(text)


@needs_root
@pytest.mark.parametrize("seed", range(60))
def test_ids_and_capabilities_change_as_in_the_kernel(seed: int) -> None:
    assert believed_states(steps(seed)) == in_child(lambda: real_states(steps(seed))), steps(seed)


def test_whoever_has_dropped_root_does_not_get_it_back() -> None:
    dropped = with_users(Believed(), set_three(Ids(), 5, 5, 5, privileged=True))
    assert not dropped.may(linux.CAP_SETUID)
    with pytest.raises(PermissionError):
        set_three(dropped.users, UNCHANGED, 0, UNCHANGED, privileged=dropped.may(linux.CAP_SETUID))


def test_capabilities_can_be_kept_over_a_change_of_user() -> None:
    dropped = with_users(replace(Believed(), keeps=True), Ids(5, 5, 5, 5))
    assert (dropped.permitted, dropped.effective) == (ALL, 0)


def test_nobody_gives_himself_capabilities() -> None:
    with pytest.raises(PermissionError):
        with_capabilities(Believed(permitted=0, effective=0), effective=1, permitted=1, inheritable=0)


def test_a_set_user_id_program_of_root_makes_root() -> None:
    user = with_users(Believed(), Ids(5, 5, 5, 5))
    root = with_program(user, 0o104755, 0, 0)
    assert root.users == Ids(5, 0, 0, 0)
    assert root.may(linux.CAP_CHOWN)
    assert with_program(root, 0o100755, 0, 0).users == Ids(5, 0, 0, 0)


def test_a_set_group_id_bit_without_execution_by_the_group_means_nothing() -> None:
    assert with_program(Believed(), 0o102745, 0, 42).groups == Ids()
    assert with_program(Believed(), 0o102755, 0, 42).groups == Ids(0, 42, 42, 42)


def test_fake_root_has_the_capabilities_of_a_container() -> None:
    assert {number for number in range(64) if Believed().may(number)} == CAPABILITIES


def test_a_process_inherits_what_its_parent_was_when_it_was_made() -> None:
    def inherited() -> list[int]:
        register, ready = Register(), os.pipe()
        register.note(os.getpid(), Believed(users=Ids(7, 7, 7, 7)))
        child = os.fork()
        if child == 0:
            os.close(ready[1])
            os.read(ready[0], 1)
            os._exit(0)
        register.note(os.getpid(), Believed(users=Ids(8, 8, 8, 8)))
        found = [register.of(child).users.real, register.of(os.getpid()).users.real]
        os.close(ready[1])
        os.waitpid(child, 0)
        return found

    assert in_child(inherited) == [7, 8]


def test_a_process_that_nobody_has_changed_is_fake_root() -> None:
    assert Register().of(os.getpid()) == Believed()
