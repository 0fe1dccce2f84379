"""Where `docker exec` begins: the step image's WORKDIR is a link to /workspace in masu's own directory, which is always there.

Engines start in the image's WORKDIR what they are asked to start beside a build, as GitLab's runner does when a job is cancelled,
and fail if it isn't there. Stdlib only.
"""

from __future__ import annotations

import os
from contextlib import suppress

from builder.sandbox.kept import Kept

_LINK, _WORKSPACE = "workspace", "/workspace"


def lead_aside(home: str, kept: Kept) -> None:
    """Let the link lead to masu's own directory, unless /workspace stays; `home` is takeover's, in that directory."""
    if _WORKSPACE not in kept.paths | kept.ways:
        _lead(home, ".")


def lead_back(home: str) -> None:
    """Let it lead to /workspace again."""
    _lead(home, _WORKSPACE)


def _lead(home: str, target: str) -> None:
    """In one step: nobody finds it missing."""
    link, fresh = f"{os.path.dirname(home)}/{_LINK}", f"{home}/{_LINK}"
    if not os.path.islink(link) or os.readlink(link) == target:
        return
    with suppress(FileNotFoundError):  # of a build that was killed just here
        os.unlink(fresh)
    os.symlink(target, fresh)
    os.rename(fresh, link)
