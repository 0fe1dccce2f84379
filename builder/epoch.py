"""SOURCE_DATE_EPOCH where it isn't simply given: a global ARG of the Dockerfile, or `context` for the time of what is built.

As in BuildKit (docs/build-repro.md there): of a git context it is the commit's, of an archive that of its last change.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from builder.dockerfile.instructions.arg import Arg
from builder.dockerfile.parse import Dockerfile
from builder.errors import UsageError
from builder.inputs import Inputs
from builder.settings import EPOCH_ARG, OF_CONTEXT, parse_epoch

log = logging.getLogger(__name__)


def settled(build_args: Mapping[str, str], inputs: Inputs) -> tuple[Mapping[str, str], int | None]:
    """The build arguments with what OF_CONTEXT stands for, and the epoch in seconds; None if there is none.

    Raises UsageError, or DockerfileError for an ARG.
    """
    if EPOCH_ARG in build_args:
        return _settled(build_args[EPOCH_ARG], build_args, inputs)
    arg, text = _global(inputs.dockerfile, build_args)
    if arg is None:
        return build_args, None
    try:
        return _settled(text, build_args, inputs)
    except UsageError as error:
        raise arg.line.error(error.message, hint=error.hint) from error


def _settled(text: str, build_args: Mapping[str, str], inputs: Inputs) -> tuple[Mapping[str, str], int | None]:
    if text != OF_CONTEXT:
        return build_args, parse_epoch(text)
    time = inputs.time()
    if time is None:
        log.info("%s=%s has no effect: the build context has no time of its own", EPOCH_ARG, OF_CONTEXT)
    told = "" if time is None else str(time)
    return {**build_args, EPOCH_ARG: told}, parse_epoch(told)


def _global(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> tuple[Arg | None, str]:
    """The last global ARG that gives it a value, and that."""
    found, args = None, dict[str, str]()
    if any(name == EPOCH_ARG for arg in dockerfile.global_args for name, _ in arg.defaults):
        for arg in dockerfile.global_args:
            args = arg.apply_globally(args, build_args)
            found = arg if any(name == EPOCH_ARG and default is not None for name, default in arg.defaults) else found
    return found, args.get(EPOCH_ARG, "")
