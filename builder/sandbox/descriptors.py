"""How many descriptors a process may have. Each layer's tree that is in use has one, so masu takes what it can get.

Commands get no more than masu began with: programs that use select(2), or close all that they might have, count on few. So does
Go (os/rlimit.go), and so do Kaniko and BuildKit.
"""

from __future__ import annotations

import resource

_ENOUGH = 1 << 16
_BEGAN_WITH = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def allow_many() -> None:
    """Raise the soft limit of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def commands() -> int:
    """The soft limit that commands are to have."""
    return _BEGAN_WITH


def lower(most: int) -> None:
    """Have a soft limit of at most `most`, as of another process's `commands`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or most < soft):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
