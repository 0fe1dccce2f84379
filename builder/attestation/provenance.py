"""How an image was made, as SLSA's provenance has it with BuildKit's additions (docs/attestations/slsa-definitions.md)."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from builder.values import dataclass, field

_BUILDKIT = "https://mobyproject.org/buildkit@v1"
_DEFINITIONS = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
_VALUES = ("build-arg:", "label:")
"""Arguments that the short form leaves out."""


class Version(Enum):
    """Of SLSA's schema."""

    V0_2 = "v0.2"
    V1 = "v1"

    @property
    def predicate_type(self) -> str:
        return f"https://slsa.dev/provenance/{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What is asked for: `is_full` is mode=max. `builder` and `reproducible` are told as they were given."""

    is_full: bool = True
    version: Version = Version.V0_2
    builder: str = ""
    reproducible: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Something from elsewhere that the image was made of."""

    uri: str
    algorithm: str
    hex: str

    @property
    def digest(self) -> dict[str, str]:
        return {self.algorithm: self.hex}

    def to_json(self) -> dict[str, Any]:
        return {"uri": self.uri, "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A secret or an ssh agent that a RUN asks for."""

    id: str
    is_optional: bool

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, **({"optional": True} if self.is_optional else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """About one image. `source` is the build context if it came from elsewhere, `digest` of it if that is known.

    `dockerfile` is the text of `entry_point`; `locals` are what came from the machine that builds; `platform` is its own.
    `has_all_materials`: nothing else went into the image; `is_hermetic`: nor could it.
    """

    source: str = ""
    digest: Mapping[str, str] = field(default_factory=dict)
    entry_point: str
    dockerfile: bytes
    arguments: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Wish, ...] = ()
    agents: tuple[Wish, ...] = ()
    locals: tuple[str, ...] = ()
    materials: tuple[Material, ...] = ()
    platform: str
    has_all_materials: bool = False
    is_hermetic: bool = False
    invocation: str
    started: str
    finished: str


def predicate(facts: Facts, wanted: Provenance) -> dict[str, Any]:
    """In the version that is wanted."""
    return _version_1(facts, wanted) if wanted.version is Version.V1 else _version_0_2(facts, wanted)


def _version_0_2(facts: Facts, wanted: Provenance) -> dict[str, Any]:
    source = _present({"uri": facts.source, "digest": dict(facts.digest), "entryPoint": facts.entry_point})
    parameters, is_complete = _parameters(facts, is_full=wanted.is_full)
    return {
        "builder": {"id": wanted.builder},
        "buildType": _BUILDKIT,
        "materials": [material.to_json() for material in facts.materials],
        "invocation": {"configSource": source, "parameters": parameters, "environment": {"platform": facts.platform}},
        "metadata": {
            "buildInvocationID": facts.invocation,
            "buildStartedOn": facts.started,
            "buildFinishedOn": facts.finished,
            "completeness": {"parameters": is_complete, "environment": True, "materials": facts.has_all_materials},
            "reproducible": wanted.reproducible,
            **({f"{_BUILDKIT}#hermetic": True} if facts.is_hermetic else {}),
            f"{_BUILDKIT}#metadata": _metadata(facts, wanted),
        },
    }


def _version_1(facts: Facts, wanted: Provenance) -> dict[str, Any]:
    source = _present({"uri": facts.source, "digest": dict(facts.digest), "path": facts.entry_point})
    request, is_complete = _parameters(facts, is_full=wanted.is_full)
    return {
        "buildDefinition": {
            "buildType": _DEFINITIONS,
            "externalParameters": {"configSource": source, "request": request},
            "internalParameters": {"builderPlatform": facts.platform},
            "resolvedDependencies": [material.to_json() for material in facts.materials],
        },
        "runDetails": {
            "builder": {"id": wanted.builder},
            "metadata": {
                "invocationID": facts.invocation,
                "startedOn": facts.started,
                "finishedOn": facts.finished,
                "buildkit_metadata": _metadata(facts, wanted),
                **({"buildkit_hermetic": True} if facts.is_hermetic else {}),
                "buildkit_completeness": {"request": is_complete, "resolvedDependencies": facts.has_all_materials},
                "buildkit_reproducible": wanted.reproducible,
            },
        },
    }


def _parameters(facts: Facts, *, is_full: bool) -> tuple[dict[str, Any], bool]:
    """And whether nothing was left out."""
    shown = {key: value for key, value in facts.arguments.items() if is_full or not key.startswith(_VALUES)}
    found = {
        "frontend": "dockerfile.v0",
        "args": shown,
        "secrets": _listed(facts.secrets) if is_full else [],
        "ssh": _listed(facts.agents) if is_full else [],
        "locals": [{"name": name} for name in facts.locals],
    }
    return _present(found), len(shown) == len(facts.arguments)


def _listed(wishes: Iterable[Wish]) -> list[dict[str, Any]]:
    return [wish.to_json() for wish in wishes]


def _metadata(facts: Facts, wanted: Provenance) -> dict[str, Any]:
    """BuildKit's own: of the full form the Dockerfile."""
    if not wanted.is_full:
        return {}
    data = base64.b64encode(facts.dockerfile).decode()
    return {"source": {"infos": [{"filename": facts.entry_point, "language": "Dockerfile", "data": data}]}}


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}
