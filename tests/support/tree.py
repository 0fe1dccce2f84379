"""Whole trees as dicts, so that a test asserts one in a few lines, and the other way round."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path


def tree_dump(directory: Path, *, times: bool = False) -> dict[str, str]:
    """Path → `dir 0755`, `file 0644 3a6eb079 <1>`, `symlink a`, `fifo 0644`, `char 0600 1:3`; the root isn't in it.

    Owners other than 0:0 follow the mode, `<1>` numbers groups of hard links, `user.x=…` are attributes, `@5` is the time with
    `times`.
    """
    links: dict[tuple[int, int], int] = {}
    found = {}
    for path in sorted(_walk(os.fsencode(directory))):
        status = os.lstat(path)
        name = os.fsdecode(path[len(os.fsencode(directory)) :]) + ("/" if stat.S_ISDIR(status.st_mode) else "")
        words = [*_kind(path, status), *_links(status, links), *_attributes(path, status)]
        found[name] = " ".join([*words, f"@{status.st_mtime_ns // 10**9}"] if times else words)
    return found


def open_below(directory: Path) -> list[Path]:
    """What this process holds open of `directory` and what is in it; whatever else is open comes and goes with other tests."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            found.append(Path(os.readlink(f"/proc/self/fd/{number}")))
    return [path for path in found if path.is_relative_to(directory)]


def _walk(directory: bytes) -> Iterable[bytes]:
    for entry in os.scandir(directory):
        yield entry.path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)


def _kind(path: bytes, status: os.stat_result) -> list[str]:
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    owner = [f"{status.st_uid}:{status.st_gid}"] if status.st_uid or status.st_gid else []
    if stat.S_ISLNK(status.st_mode):
        return ["symlink", os.fsdecode(os.readlink(path)), *owner]
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:
            content = file.read()
        return ["file", mode, *owner, hashlib.sha256(content).hexdigest()[:8] if content else "empty"]
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        kind = "char" if stat.S_ISCHR(status.st_mode) else "block"
        return [kind, mode, *owner, f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"]
    names = {stat.S_IFDIR: "dir", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
    return [names[stat.S_IFMT(status.st_mode)], mode, *owner]


def _links(status: os.stat_result, links: dict[tuple[int, int], int]) -> list[str]:
    if status.st_nlink < 2 or not stat.S_ISREG(status.st_mode):
        return []
    return [f"<{links.setdefault((status.st_dev, status.st_ino), len(links) + 1)}>"]


def _attributes(path: bytes, status: os.stat_result) -> list[str]:
    if stat.S_ISLNK(status.st_mode):
        return []
    return [f"{name}={os.getxattr(path, name)!r}" for name in sorted(os.listxattr(path)) if name != "security.selinux"]


def make_tree(directory: Path, tree: Mapping[str, str | bytes | None]) -> Path:
    """Path → content of a file, `-> target` for a symbolic link, None for a directory; parents are made. Returns `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir(exist_ok=True)
        elif isinstance(content, str) and content.startswith("-> "):
            path.symlink_to(content.removeprefix("-> "))
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return directory


def member(name: str, **fields: object) -> tarfile.TarInfo:
    """A tar header: mode 0644 (0755 for a directory), owner 0:0, time 0 but for `fields`."""
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    if info.isdir() and "mode" not in fields:
        info.mode = 0o755
    return info


def make_tar(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of headers, with content where given, by Python's own tarfile."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=format) as archive:
        for item in members:
            info, content = item if isinstance(item, tuple) else (item, b"")
            if content:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if content else None)
    return output.getvalue()
