"""Where masu's image differs from docker's and shall: every row is told in docs/differences.md under its heading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.support.images import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """`path` and `field` are shell patterns for those of a Difference; `heading` is the entry in docs/differences.md.

    `depends`: it may be none, as the two kinds of Rootfs differ here.
    """

    heading: str
    path: str
    field: str = "*"
    depends: bool = False

    def covers(self, difference: Difference) -> bool:
        return fnmatchcase(difference.path, self.path) and fnmatchcase(difference.field, self.field)


_HEALTHCHECK = "HEALTHCHECK in the history"
_MOUNT_POINTS = "Mount points that an image lacks"
_HARD_LINKS = "Hard links to files of a lower layer"
_MOVED = "Directories of a lower layer that a RUN moves"
_OPENED = "Files that were opened and not changed"
_PUT_BACK = "Files put back as they were"
_XATTRS = "Extended attributes of users"
_INDENTED = "Scripts in indented heredocs"
_NOT_ASCII = "Flags with characters that are not ASCII"
_BLOCK_DEVICES = "Block devices that COPY takes from a stage"

_KEPT_GIT = "The git directory that ADD keeps"
_SUBMODULES = "Submodules of a git repository"
_NAMED_BASE = "Named contexts that a stage begins with"


def _healthcheck(index: int) -> tuple[Known, ...]:
    return (Known(heading=_HEALTHCHECK, path=f"(history {index})", field="created_by"),)


_NO_MOUNT_POINTS = tuple(Known(heading=_MOUNT_POINTS, path=path, field="presence") for path in ("/dev", "/proc", "/sys"))
KNOWN: Mapping[str, tuple[Known, ...]] = {
    "config/every-instruction-that-only-changes-the-config": _healthcheck(12),
    "config/a-base-with-every-field-set-and-everything-changed": _healthcheck(11),
    "config/shell-forms-use-the-SHELL-of-their-place": _healthcheck(8),
    "config/HEALTHCHECK-in-JSON-form-with-defaults": _healthcheck(2),
    "config/the-last-HEALTHCHECK-replaces-the-whole-inherited-one": _healthcheck(2),
    "heredoc/tabs-are-taken-off": (Known(heading=_INDENTED, path="(history 5)", field="created_by"),),
    "run/mount-points-in-an-image-from-scratch": _NO_MOUNT_POINTS,
    "stages/scratch-that-gets-a-shell-from-another-stage": _NO_MOUNT_POINTS,
    "mounts/from-an-image": _NO_MOUNT_POINTS,
    "mounts/a-tool-from-a-stage-that-the-image-lacks": _NO_MOUNT_POINTS,
    "run/hard-links-to-new-files": (
        Known(heading=_HARD_LINKS, path="/*", field="links"),
        Known(heading=_HARD_LINKS, path="/*", field="layer [345]"),
        Known(heading=_HARD_LINKS, path="/d/three", field="s*"),
        Known(heading=_HARD_LINKS, path="/four", field="s*"),
    ),
    "run/the-same-content-and-time-written-again": (
        Known(heading=_HARD_LINKS, path="/data/hard[123]", field="links"),
        Known(heading=_HARD_LINKS, path="/data/hard[23]", field="layer 3", depends=True),
        Known(heading=_PUT_BACK, path="/data/hard1", field="layer 3", depends=True),
    ),
    "run/replace-a-kind-by-another": (Known(heading=_HARD_LINKS, path="/data/hard[23]", field="layer 7"),),
    "run/one-name-of-a-hard-link-goes": (Known(heading=_HARD_LINKS, path="/data/hard[13]", field="layer 2"),),
    "run/move-a-directory-of-the-base": (
        Known(heading=_MOVED, path="/moved/*", field="mtime"),
        Known(heading=_MOVED, path="/moved/capable", field="xattrs"),
        Known(heading=_MOVED, path="/moved/dir/*", field="layer 4"),
    ),
    "debian/users-packages-and-the-loader": (Known(heading=_OPENED, path="/etc/.pwd.lock", field="layer 1"),),
    "debian/extended-attributes-of-users": (
        Known(heading=_XATTRS, path="/file", field="xattrs"),
        Known(heading=_XATTRS, path="/mine", field="xattrs"),
    ),
    "flags/flags-with-characters-that-are-not-ASCII": (Known(heading=_NOT_ASCII, path="/dest/é"),),
    "stages/device-nodes-and-fifos-between-stages": (Known(heading=_BLOCK_DEVICES, path="/special/block", field="kind"),),
    "git/the-repository-is-kept": (Known(heading=_KEPT_GIT, path="*/.git/*"),),
    "contexts/a-repository-whose-git-directory-is-kept": (Known(heading=_KEPT_GIT, path="*/.git/*"),),
    "git/submodules": (Known(heading=_SUBMODULES, path="/s/modules/inner/.git"),),
    "contexts/a-directory-as-a-base": (Known(heading=_NAMED_BASE, path="(history *)"),),
    "contexts/a-directory-as-the-whole-image": (
        Known(heading=_NAMED_BASE, path="(history 0)", field="comment"),
        Known(heading=_NAMED_BASE, path="(config)", field="architecture"),
    ),
}


def unknown(case_id: str, found: Iterable[Difference]) -> list[Difference]:
    return [difference for difference in found if not any(known.covers(difference) for known in KNOWN.get(case_id, ()))]


def stale(case_id: str, found: Iterable[Difference]) -> list[Known]:
    """The rows of this case that cover nothing any more."""
    seen = list(found)
    rows = [known for known in KNOWN.get(case_id, ()) if not known.depends]
    return [known for known in rows if not any(known.covers(difference) for difference in seen)]
