"""Fake root: a process without any rights makes the calls of root, and is answered by a supervisor. Paths are as from PRoot."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.rootfs.owner import Owners
from builder.sandbox import HOSTNAME, Truth, linux, seccomp
from builder.sandbox.fakeroot import Supervisor
from builder.sandbox.filtered import send_listener
from builder.sandbox.syscalls import NUMBERS

NOBODY = 65534
CAPABILITY = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
XATTR = "security.capability"


@pytest.fixture
def root() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp())
    (directory / "root").mkdir()
    for path in (directory, directory / "root"):
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    yield directory / "root"
    shutil.rmtree(directory)


def forked(work: Callable[[], object]) -> object:
    """What `work` returns in a process of its own."""
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
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return json.loads(text)


def as_fake_root(root: Path, work: Callable[[], object], given: dict[tuple[int, int], Truth] | None = None) -> object:
    """What `work` returns as a fake root, without any right in truth; the files below `root` are its own."""

    def supervise() -> object:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        linux.prctl(linux.PR_SET_DUMPABLE, 1)  # changing the user has cleared it
        os.umask(0o022)
        with Supervisor(Owners(root.parent), (str(root),), None, given or {}, "mine") as supervisor:

            def filtered() -> object:
                send_listener(supervisor.theirs, seccomp.install(None))
                return work()

            return forked(filtered)

    return forked(supervise)


def shown(path: Path) -> list[object]:
    status = path.lstat()
    return [stat.filemode(status.st_mode), status.st_uid, status.st_gid]


def failure(call: Callable[[], object]) -> str:
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return ""


def become(user: int, group: int) -> None:
    os.setgroups([group, 77])
    os.setgid(group)
    os.setuid(user)


def test_whoever_is_nobody_finds_himself_root(root: Path) -> None:
    assert as_fake_root(root, lambda: [os.getresuid(), os.getresgid(), os.getgroups()]) == [[0, 0, 0], [0, 0, 0], []]


def test_owners_and_modes_are_as_they_were_set(root: Path) -> None:
    def work() -> object:
        (root / "f").touch()
        os.chown(root / "f", 5, 6)
        (root / "f").chmod(0o4040)
        os.symlink("f", root / "l")
        os.lchown(root / "l", 7, 8)
        return [shown(root / "f"), shown(root / "l"), (root / "f").read_text()]

    assert as_fake_root(root, work) == [["---Sr-----", 5, 6], ["lrwxrwxrwx", 7, 8], ""]


def test_the_kernel_stores_none_of_it_but_knows_that_something_changed(root: Path) -> None:
    (root / "f").touch()
    before = (root / "f").stat()
    if os.geteuid() == 0:
        os.chown(root / "f", NOBODY, NOBODY)
    as_fake_root(root, lambda: os.chown(root / "f", 0, 0))
    after = (root / "f").stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert after.st_ctime_ns > before.st_ctime_ns


def test_changing_the_owner_clears_set_id_bits(root: Path) -> None:
    def work() -> object:
        for name, mode in (("f", 0o6755), ("g", 0o2644)):
            (root / name).touch()
            (root / name).chmod(mode)
            os.chown(root / name, 5, 6)
        return [shown(root / "f"), shown(root / "g")]

    assert as_fake_root(root, work) == [["-rwxr-xr-x", 5, 6], ["-rw-r-Sr--", 5, 6]]


def test_a_user_owns_what_he_makes_of_every_kind(root: Path) -> None:
    def work() -> object:
        become(5, 6)
        os.umask(0o027)
        os.close(os.open(root / "file", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        (root / "directory").mkdir()
        (root / "link").symlink_to("file")
        os.mkfifo(root / "fifo")
        return sorted([path.name, *shown(path)] for path in root.iterdir())

    assert as_fake_root(root, work) == [
        ["directory", "drwxr-x---", 5, 6],
        ["fifo", "prw-r-----", 5, 6],
        ["file", "-rw-r-----", 5, 6],
        ["link", "lrwxrwxrwx", 5, 6],
    ]


def test_what_a_user_opens_to_write_is_his_descriptor(root: Path) -> None:
    def work() -> object:
        become(5, 6)
        with (root / "new").open("w") as file:
            file.write("text")
            status = os.fstat(file.fileno())
        with (root / "new").open("a") as file:
            file.write(" and more")
        return [(root / "new").read_text(), status.st_uid, failure(lambda: (root / "new").open("x").close())]

    assert as_fake_root(root, work) == ["text and more", 5, "EEXIST"]


def test_a_directory_with_a_set_group_id_bit_hands_its_group_down(root: Path) -> None:
    def work() -> object:
        (root / "d").mkdir()
        os.chown(root / "d", 0, 42)
        (root / "d").chmod(0o2775)
        (root / "d/sub").mkdir()
        (root / "d/f").touch()
        return [shown(root / "d/sub"), shown(root / "d/f")]

    assert as_fake_root(root, work) == [["drwxr-sr-x", 0, 42], ["-rw-r--r--", 0, 42]]


def test_whoever_gave_root_up_has_no_rights(root: Path) -> None:
    def work() -> object:
        (root / "f").touch()
        become(5, 6)
        return [
            os.getresuid(),
            sorted(os.getgroups()),
            *(failure(call) for call in (lambda: os.setuid(0), lambda: os.setgroups([]), lambda: os.chown(root / "f", 5, 6))),
            *(failure(call) for call in (lambda: (root / "f").chmod(0o777), lambda: os.mknod(root / "d", stat.S_IFCHR, 259))),
        ]

    assert as_fake_root(root, work) == [[5, 5, 5], [6, 77], *["EPERM"] * 5]


def test_a_user_may_give_his_file_to_a_group_of_his(root: Path) -> None:
    def work() -> object:
        become(5, 6)
        (root / "f").touch()
        os.chown(root / "f", -1, 77)
        return [shown(root / "f"), failure(lambda: os.chown(root / "f", -1, 78))]

    assert as_fake_root(root, work) == [["-rw-r--r--", 5, 77], "EPERM"]


def test_devices_are_believed(root: Path) -> None:
    def work() -> object:
        os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        return [*shown(root / "null"), (root / "null").stat().st_rdev == os.makedev(1, 3)]

    assert as_fake_root(root, work) == ["crw-r--r--", 0, 0, True]
    assert stat.S_ISREG((root / "null").stat().st_mode)


def test_file_capabilities_are_believed_until_the_owner_changes(root: Path) -> None:
    def work() -> object:
        (root / "f").touch()
        os.setxattr(root / "f", XATTR, CAPABILITY)
        found = [os.getxattr(root / "f", XATTR) == CAPABILITY, os.listxattr(root / "f")]
        found.append(failure(lambda: os.setxattr(root / "f", XATTR, CAPABILITY, os.XATTR_CREATE)))
        os.chown(root / "f", 0, 0)
        return [*found, failure(lambda: os.getxattr(root / "f", XATTR)), os.listxattr(root / "f")]

    assert as_fake_root(root, work) == [True, [XATTR], "EEXIST", "ENODATA", []]


def test_file_capabilities_can_be_removed(root: Path) -> None:
    def work() -> object:
        (root / "f").touch()
        os.setxattr(root / "f", XATTR, CAPABILITY)
        os.removexattr(root / "f", XATTR)
        return [os.listxattr(root / "f"), failure(lambda: os.removexattr(root / "f", XATTR))]

    assert as_fake_root(root, work) == [[], "ENODATA"]


def test_what_is_not_the_commands_own_stays_as_it_is(root: Path) -> None:
    outside = root.parent / "outside"
    outside.touch()
    before = outside.stat()
    assert as_fake_root(root, lambda: failure(lambda: os.chown(outside, 5, 6))) == ""
    assert outside.stat() == before


def test_a_file_may_be_somebodys_from_the_start(root: Path) -> None:
    (root / "secret").touch()
    status = (root / "secret").stat()
    given = {(status.st_dev, status.st_ino): (stat.S_IFREG | 0o440, 5, 6, 0)}
    assert as_fake_root(root, lambda: shown(root / "secret"), given) == ["-r--r-----", 5, 6]


def test_processes_inherit_who_they_are(root: Path) -> None:
    def work() -> object:
        become(5, 6)
        return forked(lambda: [os.getresuid(), os.getgroups()])

    assert as_fake_root(root, work) == [[5, 5, 5], [6, 77]]


def test_the_host_has_the_name_that_it_is_given(root: Path) -> None:
    assert as_fake_root(root, lambda: [os.uname().nodename, os.uname().sysname]) == ["mine", "Linux"]


def test_what_would_not_be_translated_does_not_exist(root: Path) -> None:
    def work() -> object:
        libc, numbers = ctypes.CDLL(None, use_errno=True), NUMBERS[os.uname().machine]
        found = set()
        for name in ("statx", "openat2", "faccessat2", "io_uring_setup"):
            libc.syscall(ctypes.c_long(numbers[name]), 0, 0, 0, 0, 0)
            found.add(errno.errorcode[ctypes.get_errno()])
        return list(found)

    assert as_fake_root(root, work) == ["ENOSYS"]


def test_a_process_cannot_hide_from_its_supervisor(root: Path) -> None:
    def work() -> object:
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        os.chown(root, 5, 6)
        return shown(root)

    assert as_fake_root(root, work) == ["drwxr-xr-x", 5, 6]


def test_a_wrong_address_is_an_error_of_whoever_gives_it(root: Path) -> None:
    def work() -> object:
        libc, number = ctypes.CDLL(None, use_errno=True), NUMBERS[os.uname().machine]["fchownat"]
        libc.syscall(ctypes.c_long(number), -100, ctypes.c_void_p(8), 0, 0, 0)
        return errno.errorcode[ctypes.get_errno()]

    assert as_fake_root(root, work) == "EFAULT"


def test_a_supervisor_whose_child_never_comes_ends() -> None:
    with Supervisor(None, (), None, {}, HOSTNAME):
        before = threading.active_count()
    assert threading.active_count() == before - 1
