"""What the checks found, for people and for programs (BuildKit, frontend/subrequests/lint)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from builder.dockerfile.lint.linter import Finding
from builder.dockerfile.shown import data_json, location_json
from builder.errors import BuilderError, DockerfileError
from builder.ops import Location

_LEVEL = 1  # BuildKit's for a warning


def check_text(findings: Sequence[Finding], *, data: bytes) -> str:
    """Each with its first line; how many they are."""
    physical = data.decode("utf-8", "replace").split("\n")
    lines: list[str] = []
    for finding in findings:
        number = finding.location.start
        lines += [str(finding), f"  {number:>4} | {physical[number - 1].strip()[:200]}"]
    count = len(findings)
    return "\n".join([*lines, f"{count or 'no'} warning{'' if count == 1 else 's'}", ""])


def check_json(findings: Sequence[Finding], *, file: str, data: bytes, error: BuilderError | None = None) -> str:
    result: dict[str, Any] = {"warnings": [_json(finding) for finding in findings]}
    result["sources"] = [{"filename": file, "language": "Dockerfile", "data": data_json(data)}] if data else []
    if error is not None:
        line = error.line if isinstance(error, DockerfileError) else 0
        result["buildError"] = {"message": error.message, "location": location_json(Location(start=line, end=line))}
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def _json(finding: Finding) -> dict[str, Any]:
    return {
        "ruleName": finding.rule.name,
        "description": finding.rule.summary,
        "url": finding.rule.url,
        "detail": finding.detail,
        "level": _LEVEL,
        "location": location_json(finding.location),
    }
