"""Files with several names, on an overlay: what is done by one name is done to all of them, as in a plain directory.

With `index=on` overlayfs shows that as long as the upper directory is the upper one. When it becomes a lower one its index is
gone, so by then every name must be in it; and a layer must have all names of a file that has changed.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress

from builder.rootfs import paths
from builder.rootfs.overlay_diff import Found, Views


class Links:
    """The names of such files in the lower directories of one Rootfs, in groups."""

    def __init__(self, groups: Iterable[Iterable[str]] = ()) -> None:
        self.groups = [frozenset(group) for group in groups]

    def follow(self, views: Views, found: Found) -> None:
        """Bring the groups up to date with what was `found`, complete its `written`, and copy up the names that must be."""
        if not os.listdir(views.upper):
            return
        groups = []
        linked = {inode: set(names) for inode, names in found.linked.items()}
        for group in self.groups:
            names = _follow_one(group, linked, views, found)
            if len(names) > 1:
                groups.append(names)
        self.groups = [*groups, *(frozenset(names) for names in linked.values() if len(names) > 1)]


def _follow_one(group: frozenset[str], linked: dict[int, set[str]], views: Views, found: Found) -> frozenset[str]:
    """The names that this file has now; they are taken out of `linked`."""
    old = next((status for name in group if (status := look(views.before, name))), None)
    if old is None:
        return frozenset()
    now = {name: status for name in group if (status := look(views.after, name)) and status.st_ino == old.st_ino}
    names = frozenset({*now, *linked.pop(old.st_ino, ())})
    if not names:
        return names
    upper = {name for name in names if look(views.upper, name)}
    current = look(views.after, next(iter(names)))
    if len(names) != len(group) or upper or (current and current.st_nlink != old.st_nlink):
        for name in names - upper:
            _copy_up(views.after, name)
    if upper & found.written or (current and current.st_nlink != old.st_nlink):
        found.written.update(now)
    return names


def linked_among(root_fd: int, names: Iterable[str]) -> Found:
    """Those of `names` that are files with several names, as `follow` takes them."""
    linked: defaultdict[int, set[str]] = defaultdict(set)
    siblings: defaultdict[str, list[str]] = defaultdict(list)
    for path in names:
        parent, name = paths.split(path)
        siblings[parent].append(name)
    for parent, found in siblings.items():
        for name, status in _look_at(root_fd, parent, found):
            if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
                linked[status.st_ino].add(paths.join(parent, name))
    return Found(linked=linked)


def _look_at(root_fd: int, parent: str, names: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    """lstat of those that are there, in a directory whose path has no links in it; nothing if it isn't such a one."""
    try:
        directory = paths.open_strict(root_fd, parent)
    except (FileNotFoundError, NotADirectoryError):
        return
    with paths.opened(directory) as fd:
        for name in names:
            with suppress(FileNotFoundError):
                yield name, os.stat(name, dir_fd=fd, follow_symlinks=False)


def look(root_fd: int, path: str) -> os.stat_result | None:
    """lstat of a path that has no links in it; None if there is nothing, or if there is a link now."""
    parent, name = paths.split(path)
    return next((status for _, status in _look_at(root_fd, parent, (name,))), None)


def _copy_up(root_fd: int, path: str) -> None:
    """By setting the times that it has: the least that changes something."""
    parent, name = paths.split(path)
    with paths.opened(paths.open_strict(root_fd, parent)) as fd:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=fd, follow_symlinks=False)
