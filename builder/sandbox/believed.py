"""Who a process believes to be, and how that changes: the rules of credentials(7) and capabilities(7) as values. Stdlib only."""

from __future__ import annotations

import errno
import os
import resource
import stat

from builder.sandbox import linux
from builder.sandbox.begin import CAPABILITIES
from builder.values import dataclass, replace

UNCHANGED = (1 << 32) - 1
"""-1 as an id: leave it as it is."""

ALL = sum(1 << number for number in CAPABILITIES)
_FOR_FILES = sum(1 << number for number in (0, 1, 2, 3, 4, 9, 27, 32))  # CAP_FS_SET in linux/capability.h
_SECOND_HALF = 1 << 62  # a limit of so many microseconds is none


@dataclass(frozen=True, slots=True)
class Ids:
    """Of users or of groups: real, effective, saved, and the one for files."""

    real: int = 0
    effective: int = 0
    saved: int = 0
    file: int = 0

    def has(self, number: int) -> bool:
        return number in (self.real, self.effective, self.saved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Credentials. `permitted`, `effective` and `inheritable` are sets of capabilities as bits."""

    users: Ids = Ids()
    groups: Ids = Ids()
    others: tuple[int, ...] = ()
    permitted: int = ALL
    effective: int = ALL
    inheritable: int = 0
    keeps: bool = False

    @property
    def is_root(self) -> bool:
        return self.users.file == 0

    def may(self, capability: int) -> bool:
        return bool(self.effective >> capability & 1)

    def is_in(self, group: int) -> bool:
        return group == self.groups.file or group in self.others


def set_id(now: Ids, wanted: int, *, privileged: bool) -> Ids:
    """setuid(2), setgid(2)."""
    if privileged:
        return Ids(wanted, wanted, wanted, wanted)
    if wanted not in (now.real, now.saved):
        raise _not_permitted()
    return replace(now, effective=wanted, file=wanted)


def set_both(now: Ids, real: int, effective: int, *, privileged: bool) -> Ids:
    """setreuid(2), setregid(2)."""
    if not privileged:
        if real not in (UNCHANGED, now.real, now.effective):
            raise _not_permitted()
        if effective != UNCHANGED and not now.has(effective):
            raise _not_permitted()
    new_effective = now.effective if effective == UNCHANGED else effective
    changes_saved = real != UNCHANGED or (effective != UNCHANGED and effective != now.real)
    new_real = now.real if real == UNCHANGED else real
    return Ids(new_real, new_effective, new_effective if changes_saved else now.saved, new_effective)


def set_three(now: Ids, real: int, effective: int, saved: int, *, privileged: bool) -> Ids:
    """setresuid(2), setresgid(2)."""
    wanted = (real, effective, saved)
    if not privileged and any(number != UNCHANGED and not now.has(number) for number in wanted):
        raise _not_permitted()
    new = [
        old if number == UNCHANGED else number for number, old in zip(wanted, (now.real, now.effective, now.saved), strict=True)
    ]
    return Ids(new[0], new[1], new[2], new[1])


def set_file(now: Ids, wanted: int, *, privileged: bool) -> Ids:
    """setfsuid(2), setfsgid(2): what isn't permitted changes nothing."""
    return replace(now, file=wanted) if wanted != UNCHANGED and (privileged or now.has(wanted) or wanted == now.file) else now


def with_users(old: Believed, users: Ids) -> Believed:
    """Capabilities go and come with user 0 (capabilities(7), "Effect of user ID changes on capabilities")."""
    new = replace(old, users=users)
    before, after = (0 in (ids.real, ids.effective, ids.saved) for ids in (old.users, users))
    if before and not after and not old.keeps:
        new = replace(new, permitted=0, effective=0)
    if old.users.effective == 0 and users.effective != 0:
        new = replace(new, effective=0)
    if old.users.effective != 0 and users.effective == 0:
        new = replace(new, effective=new.permitted)
    return new


def with_file_user(old: Believed, users: Ids) -> Believed:
    """setfsuid(2) as root gives up and takes back the capabilities for files."""
    new = replace(old, users=users)
    if old.users.file == 0 and users.file != 0:
        return replace(new, effective=new.effective & ~_FOR_FILES)
    if old.users.file != 0 and users.file == 0:
        return replace(new, effective=new.effective | new.permitted & _FOR_FILES)
    return new


def with_capabilities(old: Believed, effective: int, permitted: int, inheritable: int) -> Believed:
    """capset(2)."""
    if permitted & ~old.permitted or effective & ~permitted:
        raise _not_permitted()
    if not old.may(linux.CAP_SETPCAP) and inheritable & ~(old.inheritable | old.permitted):
        raise _not_permitted()
    return replace(old, effective=effective, permitted=permitted, inheritable=inheritable)


def with_program(old: Believed, mode: int, uid: int, gid: int) -> Believed:
    """execve(2) of a file: its set-id bits, and root's capabilities (capabilities(7), "Capabilities and execution by root")."""
    user = uid if mode & stat.S_ISUID else old.users.effective
    group = gid if mode & stat.S_ISGID and mode & stat.S_IXGRP else old.groups.effective
    users, groups = Ids(old.users.real, user, user, user), Ids(old.groups.real, group, group, group)
    permitted = ALL if 0 in (users.real, users.effective) else 0
    effective = ALL if users.effective == 0 else 0
    return replace(old, users=users, groups=groups, permitted=permitted, effective=effective, keeps=False)


class Register:
    """Who each process believes to be.

    The kernel keeps it for us: a number in a resource limit that means nothing to processes without real-time scheduling
    (RLIMIT_RTTIME), and which a new process has from its parent whatever becomes of that one. No limit is fake root itself.
    """

    def __init__(self) -> None:
        self._known = [Believed()]
        self._numbers = {self._known[0]: 0}

    def of(self, tid: int) -> Believed:
        """Raises ProcessLookupError when it is gone."""
        soft = resource.prlimit(tid, resource.RLIMIT_RTTIME)[0]
        number = soft - _SECOND_HALF if soft >= _SECOND_HALF else 0
        return self._known[number] if number < len(self._known) else self._known[0]

    def note(self, tid: int, believed: Believed) -> None:
        number = self._numbers.setdefault(believed, len(self._known))
        if number == len(self._known):
            self._known.append(believed)
        hard = resource.prlimit(tid, resource.RLIMIT_RTTIME)[1]
        resource.prlimit(tid, resource.RLIMIT_RTTIME, (_SECOND_HALF + number, hard))


def _not_permitted() -> PermissionError:
    return PermissionError(errno.EPERM, os.strerror(errno.EPERM))
