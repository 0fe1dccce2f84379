"""What to do about a failure, in the words of who writes workflows: the core's hints are flags, and commands of a terminal."""

from __future__ import annotations

import re

from builder.journal import Failure
from builder.values import replace

_MASU_LOGIN = re.compile(r"`masu login [^`]+`")
_LOGIN = "docker/login-action in a step before this one, or this one's inputs registry, username and password"
_CHECKOUT = "the workspace is what an earlier step with actions/checkout made of it, and the input {0} is a path in it"
_DISK = (
    "masu works in its container, on the disk of the Docker engine: free some space in a step before this one "
    "(`docker system prune --all --force`), or take a larger runner"
)
_INSTEAD = (
    (r"no Dockerfile at ", _CHECKOUT.format("file") + " or in context"),
    (r"the build context '.*' is not a directory", _CHECKOUT.format("context")),
    (r"disk full|no space left", _DISK),
)


def in_githubs_words(failure: Failure) -> Failure:
    """With another hint where the core's is for a command line."""
    for pattern, hint in _INSTEAD:
        if re.search(pattern, failure.message):
            return replace(failure, hint=hint)
    return replace(failure, hint=_MASU_LOGIN.sub(_LOGIN, failure.hint))
