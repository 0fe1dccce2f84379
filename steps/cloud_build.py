"""Google Cloud Build: what a step has pushed is told in $BUILDER_OUTPUT/images, from where the build's results are made."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from builder.decoration import Bare, Decoration
from steps.adapter import Invocation
from steps.outcome import Outcome
from steps.report import Report

_DIRECTORY = "BUILDER_OUTPUT"


def detect(env: Mapping[str, str]) -> bool:
    return bool(env.get(_DIRECTORY))


def arguments(words: Sequence[str], env: Mapping[str, str]) -> Invocation:
    """A step's `args` are the flags of `masu build`."""
    return Invocation(argv=("build", *words), env={"MASU_CONTEXT": env.get("MASU_CONTEXT") or "/workspace"})


def reports(outcome: Outcome, env: Mapping[str, str]) -> tuple[Report, ...]:
    """One line of JSON for each name that was pushed; nothing is written where nothing was."""
    if outcome.code or not outcome.pushed or not env.get(_DIRECTORY):
        return ()
    lines = [json.dumps({"name": name, "digest": outcome.digest}, separators=(",", ":")) for name in outcome.pushed]
    return (
        Report(
            where=os.path.join(env[_DIRECTORY], "images"),
            text="".join(f"{line}\n" for line in lines),
            vital=True,
            loss="the image is pushed, but can't be told in",
            hint=f"${_DIRECTORY} names a directory that this step may write",
        ),
    )


def decoration(env: Mapping[str, str]) -> Decoration:
    return Bare()
