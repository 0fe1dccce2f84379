"""Users and groups by name, from /etc/passwd and /etc/group of a rootfs, read without following links out of it.

Two rules, as in BuildKit: a process needs a user that exists (executor/oci/user.go), a file's owner may be anything
(solver/llbsolver/ops/user_linux.go).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from builder.errors import OutlineError, RootfsError
from builder.rootfs import paths
from builder.values import dataclass

TABLES = frozenset({"passwd", "group"})
"""Names of files, in whatever directory, that an outline has with their content."""

_LIMIT = 1 << 24  # bytes of a passwd file; far more than any real one
_MAX_ID = (1 << 32) - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a process runs as; `groups` are the supplementary ones, `home` is `/` without an entry."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"


def lookup_user(root_fd: int, user: str) -> Identity:
    """Who `user` is, as USER has it: `name`, `uid`, each with an optional `:group` or `:gid`; empty means root.

    A number needs no entry: it has gid 0 then. Raises RootfsError for a name that passwd or group don't have.
    """
    name, colon, group = user.partition(":")
    name = name or "0"
    uid_number, gid_number = _number(name), _number(group) if colon else None
    # A number is never a name, as in runc (libcontainer/user).
    found = next((row for row in _passwd(root_fd) if (row.name == name if uid_number is None else row.uid == uid_number)), None)
    if found is None and uid_number is None:
        raise RootfsError(f"no user {name!r} in /etc/passwd", hint="create the user in an earlier RUN, or use a number")
    uid = found.uid if found else uid_number or 0
    home = found.home if found else "/"
    if not colon or not group:
        groups = _supplementary(root_fd, found.name) if found else ()
        return Identity(uid=uid, gid=found.gid if found else 0, groups=groups, home=home)
    gid = gid_number if gid_number is not None else _group_id(root_fd, group)
    if gid is None:
        raise RootfsError(f"no group {group!r} in /etc/group", hint="create the group in an earlier RUN, or use a number")
    return Identity(uid=uid, gid=gid, home=home)


def lookup_chown(root_fd: int, chown: str, *, outline: bool = False) -> tuple[int, int]:
    """uid and gid for `--chown`: a number alone is the group too, a name alone brings its passwd group.

    What is empty or an unknown user is 0, an unknown group is that which the user alone would have. Raises RootfsError for a
    name where nothing at all is in the rootfs yet, as BuildKit refuses it; OutlineError where the file that has the names may be
    one of which the root has only the `outline`.
    """
    name, colon, group = chown.partition(":")
    uid = gid = _chown_number(name)
    if uid is None:
        _refuse_names_in_nothing(root_fd, name)
        found = next((row for row in _passwd(root_fd, outline=outline) if row.name == name), None)
        uid, gid = (found.uid, found.gid) if found else (0, 0)
    if colon:
        number = _chown_number(group)
        if number is None:
            _refuse_names_in_nothing(root_fd, group)
            number = _group_id(root_fd, group, outline=outline)
        gid = gid if number is None else number
    return uid, gid or 0


def _chown_number(text: str) -> int | None:
    """As Go's strconv.ParseInt for 32 bits, but for negative ones; empty and `root` are 0, and None is a name (llb.parseUID)."""
    if text == "root":
        return 0
    if re.fullmatch(r"-[0-9]{1,40}", text):
        raise RootfsError(f"an owner can't be negative: {text}", hint="use a number from 0 on, or a name")
    if not re.fullmatch(r"\+?[0-9]{1,40}", text):
        return None if text else 0
    return int(text) if int(text) < 1 << 31 else None


def _refuse_names_in_nothing(root_fd: int, name: str) -> None:
    if not os.listdir(root_fd):
        raise RootfsError(f"there is no /etc/passwd or /etc/group to look {name!r} up in: the stage is empty", hint="use numbers")


@dataclass(frozen=True, slots=True, kw_only=True)
class _User:
    name: str
    uid: int
    gid: int
    home: str


def _passwd(root_fd: int, *, outline: bool = False) -> Iterator[_User]:
    for fields in _rows(root_fd, "etc/passwd", outline=outline):
        uid, gid = (_number(field) for field in (fields + [""] * 4)[2:4])
        if uid is not None and gid is not None:
            yield _User(name=fields[0], uid=uid, gid=gid, home=(fields + [""] * 6)[5])


def _group_id(root_fd: int, name: str, *, outline: bool = False) -> int | None:
    for fields in _rows(root_fd, "etc/group", outline=outline):
        if fields[0] == name and len(fields) > 2 and (gid := _number(fields[2])) is not None:
            return gid
    return None


def _supplementary(root_fd: int, user: str) -> tuple[int, ...]:
    found = []
    for fields in _rows(root_fd, "etc/group"):
        gid = _number(fields[2]) if len(fields) > 3 else None
        if gid is not None and user in fields[3].split(","):
            found.append(gid)
    return tuple(found)


def _number(text: str) -> int | None:
    """As Go's strconv.Atoi, but no more than an id can be."""
    plain = re.fullmatch(r"\+?[0-9]{1,40}", text)  # int() refuses thousands of digits
    return int(text) if plain and int(text) <= _MAX_ID else None


def _rows(root_fd: int, path: str, *, outline: bool = False) -> list[list[str]]:
    """The lines of a colon-separated file as fields; none if there is no such file.

    In an `outline` an empty file may be one that isn't: a link can lead to any name.
    """
    try:
        with paths.find(root_fd, path) as spot:
            # Never wait for a FIFO that an image has put there.
            fd = os.open(spot.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=spot.dir_fd)
            with open(fd, "rb") as file:
                text = os.fsdecode(file.read(_LIMIT) or b"")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RootfsError(f"can't read {'/' + path!r} of the image: {error.strerror or error}") from error
    if outline and not text:
        raise OutlineError(f"can't tell what is in {'/' + path!r}")
    lines = (line.removesuffix("\r") for line in text.split("\n"))  # and no other character ends one
    return [line.split(":") for line in lines if line and not line.startswith("#")]
