"""Google Cloud Build: what a step has pushed is told in $BUILDER_OUTPUT/images, from where the build's results are made, and a
summary in $BUILDER_OUTPUT/output, which `gcloud builds describe` shows as the step's output.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence

from builder.decoration import Bare, Decoration
from steps import summary
from steps.adapter import Invocation
from steps.outcome import Outcome
from steps.report import Report

_DIRECTORY = "BUILDER_OUTPUT"
_LIMIT = 4000
"""Bytes of `output`. Cloud Build keeps 4 KB (today 50), and cuts off the rest."""


def detect(env: Mapping[str, str]) -> bool:
    return bool(env.get(_DIRECTORY))


def arguments(words: Sequence[str], env: Mapping[str, str]) -> Invocation:
    """A step's `args` are the flags of `masu build`."""
    return Invocation(argv=("build", *words), env={"MASU_CONTEXT": env.get("MASU_CONTEXT") or "/workspace"})


def defaults(env: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def reports(outcome: Outcome, env: Mapping[str, str]) -> tuple[Report, ...]:
    """One line of JSON for each name that was pushed, and a summary, also of a failure."""
    directory = env.get(_DIRECTORY)
    return tuple(_reports(outcome, directory)) if directory else ()


def _reports(outcome: Outcome, directory: str) -> Iterator[Report]:
    """Losing one is no failure: the directory belongs to root alone, so a step that runs as another user can't write it."""
    if outcome.code == 0 and outcome.pushed:
        lines = [json.dumps({"name": name, "digest": outcome.digest}, separators=(",", ":")) for name in outcome.pushed]
        loss = "the image is pushed, but can't be told in"
        yield Report(where=os.path.join(directory, "images"), text="".join(f"{line}\n" for line in lines), loss=loss)
    told = summary.document(outcome, limit=_LIMIT)
    if told:
        yield Report(where=os.path.join(directory, "output"), text=told, loss="can't tell what came of the build in")


def decoration(env: Mapping[str, str]) -> Decoration:
    return Bare()
