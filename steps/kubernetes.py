"""A container of a Kubernetes pod: its termination message tells the image, or why there is none (`kubectl describe pod`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builder.decoration import Bare, Decoration
from steps import summary
from steps.adapter import Invocation
from steps.outcome import Outcome
from steps.report import Report

MESSAGE = "/dev/termination-log"
_LIMIT = 4096
"""Bytes of a container's message; Kubernetes cuts off the rest."""


def detect(env: Mapping[str, str]) -> bool:
    return bool(env.get("KUBERNETES_SERVICE_HOST"))


def arguments(words: Sequence[str], env: Mapping[str, str]) -> Invocation:
    """A container's `args` are the flags of `masu build`."""
    return Invocation(argv=("build", *words), env={"MASU_CONTEXT": env.get("MASU_CONTEXT") or "/workspace"})


def defaults(env: Mapping[str, str]) -> Mapping[str, str]:
    return {}


def reports(outcome: Outcome, env: Mapping[str, str]) -> tuple[Report, ...]:
    """The message, unless the build itself has written there: `--digest-file=/dev/termination-log` is the digest alone."""
    told = summary.text(outcome, limit=_LIMIT)
    return (Report(where=MESSAGE, text=told, only_unused=True, loss="can't write the termination message"),) if told else ()


def decoration(env: Mapping[str, str]) -> Decoration:
    return Bare()
