"""What GitLab is told of a build: dotenv variables, code quality, annotations and metrics, each by GitLab's own rules."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from builder.image.reference import DEFAULT_TAG, Reference
from steps.outcome import Outcome
from steps.report import LOG, Report

DOTENV, QUALITY, ANNOTATIONS, METRICS = "build.env", "gl-code-quality-report.json", "annotations.json", "metrics.txt"
NAMES = (DOTENV, QUALITY, ANNOTATIONS, METRICS)
BILL = "gl-sbom-image.cdx.json"
"""What --sbom-file is to be called for GitLab to find it: it costs the time to read all layers, so it is asked for."""
_DOTENV_BYTES = 5 * 1024 - 1
"""Less than 5 KB, or none of it counts (docs.gitlab.com/administration/instance_limits)."""
_PLAIN = re.compile(r"[ !-#%-~]*")
"""One line without `$`, which GitLab would expand."""
_LABEL_CHARACTERS = 255


def reports(outcome: Outcome, env: Mapping[str, str], directory: str) -> tuple[Report, ...]:
    """All of them, also of a build that failed: without them GitLab would show those of an earlier one."""
    lines, left_out = _dotenv(outcome)
    project = env.get("CI_PROJECT_DIR", ".")
    texts = {
        DOTENV: "".join(lines),
        QUALITY: _json(list(_issues(outcome, project))),
        ANNOTATIONS: _json({"masu": list(_links(outcome, env))}),
        METRICS: "".join(f"{name} {value}\n" for name, value in _metrics(outcome)),
    }
    files = [Report(where=os.path.join(directory, name), text=text, makes_way=True) for name, text in texts.items()]
    words = f"{', '.join(left_out)} left out of the dotenv report: GitLab takes a line without $ each, and 5 KB in all\n"
    return (*files, Report(where=LOG, text=words)) if left_out else tuple(files)


def _dotenv(outcome: Outcome) -> tuple[list[str], list[str]]:
    """Its lines, and the names of variables that can't be told there."""
    lines: list[str] = []
    left_out: list[str] = []
    for key, value in _variables(outcome):
        line = f"{key}={value}\n"
        fits = _PLAIN.fullmatch(value) and sum(map(len, lines)) + len(line) <= _DOTENV_BYTES
        (lines if fits else left_out).append(line if fits else key)
    return lines, left_out


def _variables(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """The most important first. Where nothing was pushed there is nothing to be pulled, and no name."""
    if outcome.code or not outcome.digest:
        return
    yield "IMAGE_DIGEST", outcome.digest
    if outcome.pushed:
        reference = Reference.parse(outcome.pushed[0])
        yield "IMAGE", outcome.pushed[0]
        yield "IMAGE_REF", f"{reference.repository}@{outcome.digest}"
        if reference.tag or reference.digest is None:  # what is pushed by digest has none
            yield "IMAGE_TAG", reference.tag or DEFAULT_TAG
        yield "IMAGE_TAGS", " ".join(outcome.pushed)


def _issues(outcome: Outcome, project: str) -> Iterator[dict[str, Any]]:
    """The build checks' warnings, and an error of the Dockerfile, if that is a file of the repository: GitLab links to it."""
    path = outcome.place("", project)
    if not path:
        return
    found = [(warned.rule, "minor", warned.message, warned.line) for warned in outcome.warnings]
    if outcome.failure and outcome.failure.line:
        found.append(("BuildFailed", "blocker", outcome.failure.message.partition("\n")[0], outcome.failure.line))
    seen: Counter[tuple[str, str, str]] = Counter()
    for rule, severity, message, line in found:
        seen[path, rule, message] += 1
        yield {
            "description": message,
            "check_name": rule,
            "fingerprint": _fingerprint(path, rule, message, seen[path, rule, message]),
            "severity": severity,
            "location": {"path": path, "lines": {"begin": line}},
        }


def _fingerprint(path: str, rule: str, message: str, occurrence: int) -> str:
    """The same when lines move, so that GitLab tells old from new; each its own, as GitLab wants it."""
    return hashlib.sha256(json.dumps([1, path, rule, message, occurrence]).encode()).hexdigest()


def _links(outcome: Outcome, env: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """To the project's registry, for what is there."""
    own, project = env.get("CI_REGISTRY_IMAGE", ""), env.get("CI_PROJECT_URL", "")
    for name in outcome.pushed if own and project and not outcome.code else ():
        if name.startswith((f"{own}:", f"{own}/")):
            yield {"external_link": {"label": name[:_LABEL_CHARACTERS], "url": f"{project}/container_registry"}}


def _metrics(outcome: Outcome) -> Iterator[tuple[str, int | float]]:
    """OpenMetrics' text form, without comments."""
    if not outcome.code and outcome.digest:
        yield "image_size_bytes", outcome.size
        yield "image_layers", outcome.layers
    if outcome.seconds:
        yield "build_seconds", round(outcome.seconds, 1)
    yield "build_steps", len(outcome.steps)
    yield "build_steps_cached", sum(step.cached for step in outcome.steps)
    yield "dockerfile_warnings", len(outcome.warnings)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
