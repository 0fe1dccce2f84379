from __future__ import annotations

import os

import pytest

from builder.errors import RootfsError
from builder.rootfs import paths
from builder.rootfs.plain import PlainRootfs
from builder.rootfs.users import Identity, lookup_chown
from tests.support.tree import make_tree

PASSWD = """\
# users

root:x:0:0:root:/root:/bin/sh
app:x:7:8:App:/home/app:/bin/sh
no:x:9:9:::
12:x:3:4::/odd:
broken:x
high:x:99999999999:1::/:
"""
GROUP = "root:x:0:\nstaff:x:50:app,other\naudio:x:60:app\nempty:x:70:\n"

USERS = [
    ("", Identity(uid=0, gid=0, home="/root")),
    ("root", Identity(uid=0, gid=0, home="/root")),
    ("app", Identity(uid=7, gid=8, groups=(50, 60), home="/home/app")),
    ("7", Identity(uid=7, gid=8, groups=(50, 60), home="/home/app")),
    ("7:9", Identity(uid=7, gid=9, home="/home/app")),
    ("app:audio", Identity(uid=7, gid=60, home="/home/app")),
    ("app:9", Identity(uid=7, gid=9, home="/home/app")),
    ("no", Identity(uid=9, gid=9, home="")),
    ("1000", Identity(uid=1000, gid=0)),
    ("1000:1000", Identity(uid=1000, gid=1000)),
    ("1000:staff", Identity(uid=1000, gid=50)),
    ("12", Identity(uid=12, gid=0)),  # a number is never a name
]


@pytest.mark.parametrize(("name", "identity"), USERS)
def test_a_user_is_looked_up(rootfs: PlainRootfs, name: str, identity: Identity) -> None:
    make_tree(rootfs.path, {"etc/passwd": PASSWD, "etc/group": GROUP})
    assert rootfs.user(name) == identity


@pytest.mark.parametrize("name", ["nobody", "broken", "high", "app:nogroup", "99999999999"])
def test_an_unknown_name_is_an_error(rootfs: PlainRootfs, name: str) -> None:
    make_tree(rootfs.path, {"etc/passwd": PASSWD, "etc/group": GROUP})
    with pytest.raises(RootfsError, match=r"in /etc/(passwd|group)"):
        rootfs.user(name)


def test_without_files_numbers_work(rootfs: PlainRootfs) -> None:
    assert rootfs.user("5:6") == Identity(uid=5, gid=6)
    assert rootfs.user("") == Identity()


CHOWNS = [
    ("root", (0, 0)),
    ("7:root", (7, 0)),
    ("7", (7, 7)),
    ("1000", (1000, 1000)),
    ("app", (7, 8)),
    ("app:audio", (7, 60)),
    ("app:5", (7, 5)),
    ("7:audio", (7, 60)),
    ("nobody", (0, 0)),
    ("app:nogroup", (7, 8)),
    ("1000:nogroup", (1000, 1000)),
    ("app:", (7, 0)),
    ("1000:", (1000, 0)),
    (":audio", (0, 60)),
    (":", (0, 0)),
    ("+7:+9", (7, 9)),
    ("0010", (10, 10)),
    ("2147483647", (2147483647, 2147483647)),
    ("2147483648", (0, 0)),  # no number of 32 bits, so a name
    ("9" * 5000, (0, 0)),
    ("app:9:9", (7, 8)),
    ("nobody:audio", (0, 60)),
]


@pytest.mark.parametrize(("chown", "owner"), CHOWNS)
def test_chown_is_looked_up(rootfs: PlainRootfs, chown: str, owner: tuple[int, int]) -> None:
    make_tree(rootfs.path, {"etc/passwd": PASSWD, "etc/group": GROUP})
    with paths.opened_root(rootfs.path) as fd:
        assert lookup_chown(fd, chown) == owner


def test_passwd_is_read_inside_the_root_only(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, {"etc/passwd": "-> /../../../etc/real", "etc/real": "app:x:7:8::/:"})
    assert rootfs.user("app") == Identity(uid=7, gid=8)


@pytest.mark.parametrize("blank", ["\v", "\x1c", "\x85", "\u2028"])
def test_only_a_newline_ends_a_line(rootfs: PlainRootfs, blank: str) -> None:
    make_tree(rootfs.path, {"etc/passwd": f"app:x:7:8:A{blank}B:/home:\r\nb:x:9:9::/b:\n"})
    assert [rootfs.user(name).home for name in ("app", "b")] == ["/home", "/b"]


def test_a_fifo_for_passwd_does_not_block(rootfs: PlainRootfs) -> None:
    make_tree(rootfs.path, {"etc": None})
    os.mkfifo(rootfs.path / "etc/passwd")
    assert rootfs.user("5") == Identity(uid=5)
