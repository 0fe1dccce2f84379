"""Without privileges the layers say the same: a child process gives them up and does the work."""

from __future__ import annotations

import ctypes
import io
import os
import shutil
import stat
import sys
import tarfile
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builder.image.media import OCI_LAYER
from builder.ops import Copy, FromContext, MakeDir
from builder.rootfs import Changes, paths
from builder.rootfs.owner import Truth
from builder.rootfs.plain import PlainRootfs
from tests.builder.rootfs.conftest import needs_root
from tests.support.tree import make_tar, make_tree, member

CAPABILITY = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
MEMBERS = [
    member("closed", type=tarfile.DIRTYPE, mode=0, uid=3, gid=4),
    member("closed/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
    member("closed/secret", mode=0, uid=0, gid=42),
    member("fifo", type=tarfile.FIFOTYPE, uid=9),
    member("link", type=tarfile.SYMTYPE, linkname="closed", mode=0o777, uid=11, gid=12),
    member("plain", mode=0o644),
    member("suid", mode=0o6755, uid=0, gid=6, pax_headers={"SCHILY.xattr.security.capability": CAPABILITY.decode()}),
]
TAR = make_tar(*MEMBERS)
CLONE_NEWUSER = 0x10000000
PR_SET_DUMPABLE = 4


def become_nobody() -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def enter_user_namespace() -> None:
    become_nobody()
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1)  # or /proc/self stays root's
    if ctypes.CDLL(None).unshare(CLONE_NEWUSER):
        os._exit(77)
    for name, text in (("setgroups", "deny"), ("uid_map", "0 65534 1"), ("gid_map", "0 65534 1")):
        Path(f"/proc/self/{name}").write_text(text)


@pytest.fixture
def directory() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    os.chown(path, 65534, 65534)
    yield path
    shutil.rmtree(path)


def in_child(give_up: Callable[[], None], work: Callable[[], None]) -> None:
    """Run `work` in a child process that has given up its privileges; its failure is the test's."""
    child = os.fork()
    if not child:
        try:
            give_up()
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - printed, and told by the exit code
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 77:
        pytest.skip("SKIPPED: no user namespaces here")
    assert code == 0


def described(tar: bytes) -> list[tuple[object, ...]]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return [
            (item.name, item.type, item.mode, item.uid, item.gid, item.devmajor, item.linkname, item.pax_headers)
            for item in archive
        ]


def packed(rootfs: PlainRootfs, to: Path) -> list[tuple[object, ...]]:
    changes = Changes(written=tuple(sorted(item.name for item in MEMBERS)))
    with rootfs.pack(changes, to=to, media_type=OCI_LAYER).blob.open() as stream:
        return described(stream.read())


@needs_root
@pytest.mark.parametrize("give_up", [become_nobody, enter_user_namespace])
def test_owners_modes_devices_and_capabilities_survive(directory: Path, give_up: Callable[[], None]) -> None:
    def work() -> None:
        rootfs = PlainRootfs(directory / "rootfs")
        rootfs.unpack(io.BytesIO(TAR))
        assert packed(rootfs, directory) == described(TAR)

        other = PlainRootfs(directory / "other")
        other.copy(Copy(source=FromContext(), paths=(".",), destination="/"), rootfs.as_source())
        assert packed(other, directory) == described(TAR)
        for tree in (rootfs, other):
            tree.remove()

    in_child(give_up, work)


@needs_root
@pytest.mark.parametrize("give_up", [become_nobody, enter_user_namespace])
def test_the_book_never_speaks_of_a_later_file(directory: Path, give_up: Callable[[], None]) -> None:
    def work() -> None:
        rootfs = PlainRootfs(directory / "rootfs")
        for turn in range(50):
            rootfs.unpack(io.BytesIO(make_tar(member("f", uid=7))))
            rootfs.snapshot()
            (rootfs.path / "f").unlink()
            (rootfs.path / "f").write_text("")
            with rootfs.pack(rootfs.diff(), to=directory, media_type=OCI_LAYER).blob.open() as stream:
                assert [row[3] for row in described(stream.read())] == [0], turn

    in_child(give_up, work)


@needs_root
def test_what_a_program_believes_it_has_done_is_a_change(directory: Path) -> None:
    def work() -> None:
        rootfs = PlainRootfs(directory / "rootfs")
        rootfs.unpack(io.BytesIO(make_tar(member("f"))))
        rootfs.snapshot()
        with paths.opened_root(rootfs.path) as fd:
            rootfs.owners.record("f", Truth(stat.S_IFREG | 0o4755, 5, 6, 0), dir_fd=fd)
        assert rootfs.diff() == Changes(written=("f",))
        with rootfs.pack(Changes(written=("f",)), to=directory, media_type=OCI_LAYER).blob.open() as stream:
            assert [row[:5] for row in described(stream.read())] == [("f", tarfile.REGTYPE, 0o4755, 5, 6)]

    in_child(become_nobody, work)


@needs_root
def test_files_that_a_command_has_closed_are_packed_and_compared(directory: Path) -> None:
    def work() -> None:
        rootfs = PlainRootfs(directory / "rootfs")
        rootfs.snapshot()
        make_tree(rootfs.path, {"d/f": "content"})
        (rootfs.path / "d/f").chmod(0o070)
        (rootfs.path / "d").chmod(0o001)
        changes = rootfs.diff()
        assert changes == Changes(written=("d", "d/f"))
        with rootfs.pack(changes, to=directory, media_type=OCI_LAYER).blob.open() as stream:
            assert [row[2] for row in described(stream.read())] == [0o001, 0o070]
        rootfs.snapshot()
        assert rootfs.diff() == Changes()
        (rootfs.path / "d/f").chmod(0o755)
        assert rootfs.diff() == Changes(written=("d/f",))
        with rootfs.pack(changes, to=directory, media_type=OCI_LAYER).blob.open() as stream:
            assert [row[2] for row in described(stream.read())] == [0o001, 0o755]
        rootfs.remove()

    in_child(become_nobody, work)


@needs_root
def test_directories_are_made_for_other_users(directory: Path) -> None:
    def work() -> None:
        rootfs = PlainRootfs(directory / "rootfs")
        changes = rootfs.make_dir(MakeDir(path="/srv/app", user="5:6"))
        with rootfs.pack(changes, to=directory, media_type=OCI_LAYER).blob.open() as stream:
            assert [row[3:5] for row in described(stream.read())] == [(5, 6), (5, 6)]

    in_child(become_nobody, work)


@needs_root
def test_the_builders_own_number_is_nobody_special(directory: Path) -> None:
    """What really is the builder's means root: a file that shall be the builder's has to be noted as well."""

    def work() -> None:
        rootfs = PlainRootfs(directory / "rootfs")
        rootfs.unpack(io.BytesIO(make_tar(member("f", uid=65534, gid=65534))))
        with rootfs.pack(Changes(written=("f",)), to=directory, media_type=OCI_LAYER).blob.open() as stream:
            assert [row[3:5] for row in described(stream.read())] == [(65534, 65534)]

    in_child(become_nobody, work)


def test_with_all_rights_nothing_is_noted(rootfs: PlainRootfs) -> None:
    if os.geteuid():
        pytest.skip("SKIPPED: only root has all rights")
    rootfs.unpack(io.BytesIO(TAR))
    assert rootfs.owners.plain
