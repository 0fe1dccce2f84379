"""A step of a Tekton task: the results that the catalog's Kaniko task has and Tekton Chains signs by. Tekton writes the pod's
termination message itself, from these files; a file that the task doesn't declare as a result is not read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from builder.decoration import Bare, Decoration
from steps import summary
from steps.adapter import Invocation
from steps.outcome import Outcome
from steps.report import Report

RESULTS = "/tekton/results"


def detect(env: Mapping[str, str]) -> bool:
    return os.path.isdir(RESULTS)


def arguments(words: Sequence[str], env: Mapping[str, str]) -> Invocation:
    """A step's `args` are the flags of `masu build`."""
    return Invocation(argv=("build", *words), env={"MASU_CONTEXT": env.get("MASU_CONTEXT") or "/workspace"})


def defaults(env: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def reports(outcome: Outcome, env: Mapping[str, str]) -> tuple[Report, ...]:
    """IMAGE_URL, IMAGE_DIGEST of the first name, IMAGES of all (`NAME@DIGEST,…`), without newlines; none if none is pushed.

    Chains would sign what isn't there, or not sign what is: one that can't be written is an error.
    """
    if outcome.code or not outcome.pushed:
        return ()
    images = ",".join(dict.fromkeys(summary.pinned(name, outcome.digest) for name in outcome.pushed))
    results = {"IMAGE_DIGEST": outcome.digest, "IMAGE_URL": outcome.pushed[0], "IMAGES": images}
    hint = f"{RESULTS} is Tekton's; a step that isn't root writes there when the pod's fsGroup lets it"
    return tuple(
        Report(where=f"{RESULTS}/{name}", text=text, vital=True, loss="the image is pushed, but can't be told in", hint=hint)
        for name, text in results.items()
    )


def decoration(env: Mapping[str, str]) -> Decoration:
    return Bare()
