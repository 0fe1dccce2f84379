"""What can be built: the stages of a Dockerfile, as BuildKit's subrequest `targets` tells them."""

from __future__ import annotations

import json
from typing import Any

from builder.dockerfile.parse import Dockerfile, Stage
from builder.dockerfile.shown import data_json, location_json, table


def targets_text(dockerfile: Dockerfile) -> str:
    last = dockerfile.stages[-1]
    rows = [
        (f"{stage.name} (default)".strip() if stage is last else stage.name, stage.origin.base, _description(stage))
        for stage in dockerfile.stages
    ]
    return "\n".join([*table(("TARGET", "BASE", "DESCRIPTION"), rows), ""])


def targets_json(dockerfile: Dockerfile) -> str:
    last = dockerfile.stages[-1]
    found = [_json(stage, default=stage is last) for stage in dockerfile.stages]
    return json.dumps({"targets": found, "sources": [data_json(dockerfile.data)]}, indent=2, ensure_ascii=False) + "\n"


def _json(stage: Stage, *, default: bool) -> dict[str, Any]:
    """What is empty is left out."""
    fields = {
        "name": stage.name,
        "default": default,
        "description": _description(stage),
        "base": stage.origin.base,
        "platform": stage.origin.platform,
    }
    return {key: value for key, value in fields.items() if value} | {"location": location_json(stage.origin.line.location)}


def _description(stage: Stage) -> str:
    return stage.origin.line.description_of(stage.name)
