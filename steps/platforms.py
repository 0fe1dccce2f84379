"""The table of platforms, and which of them masu runs on."""

from __future__ import annotations

from collections.abc import Mapping

from builder.errors import UsageError
from steps import cloud_build, github_actions, gitlab_ci, kubernetes, tekton
from steps.adapter import Adapter

NAMED = "MASU_STEP"
"""The variable that names the platform, or `none`; set by `masu step NAME`, too."""
NONE = "none"

ADAPTERS: Mapping[str, Adapter] = {
    "github": github_actions,
    "gitlab": gitlab_ci,
    "cloudbuild": cloud_build,
    "tekton": tekton,
    "kubernetes": kubernetes,
}
"""By name, in the order in which they are looked for: those that look like others come first."""


def named(name: str) -> Adapter:
    """Raises UsageError for a name that no platform has."""
    if name not in ADAPTERS:
        raise UsageError(f"unknown platform {name!r}", hint=f"choose from {', '.join(ADAPTERS)}")
    return ADAPTERS[name]


def detected(env: Mapping[str, str]) -> Adapter | None:
    """The platform that `env` names, else the first that recognises it."""
    if env.get(NAMED):
        return None if env[NAMED] == NONE else named(env[NAMED])
    return next((adapter for adapter in ADAPTERS.values() if adapter.detect(env)), None)
