"""What commands that run something must do before the first thread starts and anything is read."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

from builder.errors import BuilderError

_logger = logging.getLogger("masu")


def prepare(env: Mapping[str, str], *, takes_turns: bool) -> None:
    """Become root in a user namespace, hide our memory, allow us many descriptors; if it `takes_turns`, wait first where only one
    build can run.
    """
    from builder import sandbox
    from builder.sandbox import descriptors

    if takes_turns:
        sandbox.take_turn()
    if os.geteuid() != 0:
        _become_root(env)
    sandbox.guard()
    descriptors.allow_many()


def _become_root(env: Mapping[str, str]) -> None:
    """An ordinary user works in a user namespace of his own; in masu's image only with a range of ids: traced does better."""
    from builder.sandbox import userns
    from builder.sandbox.own import own_directory

    try:
        count = userns.enter(env, with_one_id=own_directory() is None)
    except BuilderError as error:
        _logger.debug("working without root's rights: %s; owners are recorded", error.message)
        return
    _logger.debug("working in a user namespace with %d ids", count)
    if count == 1:
        _logger.warning("this user has one id only: owners are recorded in the image, but a RUN can't change any")
        _logger.warning("  (install newuidmap and give the user a range in /etc/subuid and /etc/subgid)")
