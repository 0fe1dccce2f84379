"""What came of a build, as an adapter sees it: the exit code, and what the core's metadata file says, also of a failure."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from builder.journal import Done, Failure, Warned
from builder.values import dataclass, replace

_IN_TERMINALS = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])|[\x00-\x08\x0b-\x1f\x7f]")
"""Colours and the like (ECMA-48), which a report would show as `[31m`, and what else has no shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`images` are the names that the image has, `pushed` those that registries know it by; all empty where there is none.

    `digest` is what it is pulled by, `image_id` its config's digest (of several platforms that of the index, as docker has it),
    `metadata` all that the core says, as JSON has it. `size` is
    in bytes as stored, `seconds` are of the whole build. `steps` have been done, in this order, also by a build that failed.
    `dockerfile` is the path that their `file` means (relative to where masu ran, or absolute), empty if it isn't of this machine.
    """

    code: int
    metadata: Mapping[str, Any]
    images: tuple[str, ...] = ()
    pushed: tuple[str, ...] = ()
    digest: str = ""
    image_id: str = ""
    platform: str = ""
    size: int = 0
    layers: int = 0
    seconds: float = 0.0
    dockerfile: str = ""
    steps: tuple[Done, ...] = ()
    warnings: tuple[Warned, ...] = ()
    failure: Failure | None = None

    @classmethod
    def of(cls, code: int, metadata: Mapping[str, Any], *, failure: Failure | None = None) -> Outcome:
        """Of the metadata file's content (empty if there is none); `failure` is for what went wrong before it was written."""
        told = metadata.get("masu.failure")
        if told:
            failure = Failure(**told)
        elif code and failure is None:
            failure = Failure(message=f"masu ended with exit code {code}", hint="the log above says why")
        if failure is not None:
            failure = replace(failure, output=_IN_TERMINALS.sub("", failure.output))
        names = str(metadata.get("image.name", ""))
        return cls(
            code=code,
            metadata=metadata,
            images=tuple(filter(None, names.split(","))),
            pushed=tuple(metadata.get("masu.pushed", ())),
            digest=str(metadata.get("containerimage.digest", "")),
            image_id=str(metadata.get("containerimage.config.digest") or metadata.get("containerimage.digest", "")),
            platform=str(metadata.get("masu.platform", "")),
            size=int(metadata.get("masu.size", 0)),
            layers=int(metadata.get("masu.layers", 0)),
            seconds=float(metadata.get("masu.seconds", 0)),
            dockerfile=str(metadata.get("masu.dockerfile", "")),
            steps=tuple(_done(entry) for entry in metadata.get("masu.steps", ())),
            warnings=tuple(Warned(**entry) for entry in metadata.get("masu.warnings", ())),
            failure=failure if code else None,
        )

    def place(self, file: str, directory: str) -> str:
        """The path of a step's `file` below `directory`, which platforms link to; the file as it is where it isn't below that."""
        path = os.path.join(directory, self.dockerfile) if self.dockerfile else ""
        roots = (directory, os.path.realpath(directory)) if path else ()  # it may be known by a link
        found = (os.path.relpath(path, root) for root in roots)
        return next((inside for inside in found if inside.partition("/")[0] != ".."), file)


def _done(entry: Mapping[str, Any]) -> Done:
    return Done(**{**entry, "reasons": tuple(entry.get("reasons", ()))})
