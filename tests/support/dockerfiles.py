"""Dockerfiles as text in tests: parse and lower them without a registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from builder.dockerfile.lines import Line, read
from builder.dockerfile.parse import Dockerfile, parse
from builder.errors import BuilderError
from builder.image.config import DEFAULT_PATH, Config
from builder.image.platform import Platform
from builder.plan import NamedContexts, Plan, Step, lower

AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
PATH = f"PATH={DEFAULT_PATH}"


def parsed(text: str | bytes) -> Dockerfile:
    return parse(text if isinstance(text, bytes) else text.encode(), file="Dockerfile")


def line(text: str, *, escape: str = "\\") -> Line:
    """The only line of `text`."""
    (found,) = read(text.encode(), file="Dockerfile").lines
    return replace(found, escape=escape)


def lowered(
    text: str | bytes,
    *,
    target: str = "",
    build_args: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    bases: Mapping[str, Config] | None = None,
    named: NamedContexts | None = None,
) -> Plan:
    """For linux/amd64 on linux/arm64; a base that isn't in `bases` has only PATH in its config."""

    def base_config(reference: str, platform: Platform) -> Config:
        return (bases or {}).get(reference) or Config(platform=platform, env=(PATH,))

    return lower(
        parsed(text),
        target=target,
        build_args=build_args or {},
        labels=labels or {},
        platform=AMD64,
        base_config=base_config,
        build_platform=ARM64,
        named=named,
    )


def config(text: str, *, base: Config | None = None, build_args: Mapping[str, str] | None = None) -> Config:
    """The config that the instructions `text` make of an image."""
    return lowered(f"FROM base\n{text}", bases={"base": base} if base else {}, build_args=build_args).target.config


def steps(text: str, *, build_args: Mapping[str, str] | None = None) -> tuple[Step, ...]:
    """The steps of the instructions `text` on an image."""
    return lowered(f"FROM base\n{text}", build_args=build_args).target.steps


def history(text: str, *, build_args: Mapping[str, str] | None = None) -> list[str]:
    return [step.created_by for step in steps(text, build_args=build_args)]


def failure(text: str | bytes) -> str:
    """What parsing or lowering `text` says, hint included; fails if it says nothing."""
    with pytest.raises(BuilderError) as caught:
        lowered(text) if isinstance(text, str) else parsed(text)
    return f"{caught.value.message} [{caught.value.hint}]"
