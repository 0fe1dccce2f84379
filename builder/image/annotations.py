"""Annotations of an image, by what they are attached to (docker/buildx, docs/reference/buildx_build.md, --annotation)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

from builder.errors import ImageError, UsageError
from builder.image.platform import Platform
from builder.image.text import well_formed
from builder.values import dataclass, field

_FORM = (
    r"(?s)(?:(?P<levels>[a-z]+(?:-[a-z]+)?(?:\[[^]]*\])?(?:,[a-z]+(?:-[a-z]+)?(?:\[[^]]*\])?)*):)?(?P<key>[^=\s]+)=(?P<value>.*)"
)
_LEVEL = r"(?P<level>[a-z-]+)(?:\[(?P<platform>.*)\])?"
_LEVELS = ("manifest", "index", "manifest-descriptor", "index-descriptor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """Those of the manifest and of an index around it, and those of the descriptors that refer to them."""

    manifest: Mapping[str, str] = field(default_factory=dict)
    index: Mapping[str, str] = field(default_factory=dict)
    manifest_descriptor: Mapping[str, str] = field(default_factory=dict)
    index_descriptor: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Iterable[str], platform: Platform, *, of: Sequence[Platform] = ()) -> Self:
        """Each is `KEY=VALUE`, `LEVEL:KEY=VALUE` or `LEVEL[PLATFORM]:KEY=VALUE`, or has several levels with commas between them.

        `platform` is the image's, which is one `of` several. Raises UsageError for an unknown level, and for another platform.
        """
        found: dict[str, dict[str, str]] = {level: {} for level in _LEVELS}
        for text in map(well_formed, texts):
            match = re.fullmatch(_FORM, text)
            if match is None:
                raise UsageError(f"invalid --annotation {text!r}", hint="write KEY=VALUE, or LEVEL:KEY=VALUE")
            for item in (match["levels"] or "manifest").split(","):
                level, wanted = _level(item, text, of or (platform,))
                if wanted is None or platform.matches(wanted):
                    found[level][match["key"]] = match["value"]
        return cls(**{level.replace("-", "_"): values for level, values in found.items()})

    @property
    def wants_index(self) -> bool:
        return bool(self.index or self.index_descriptor)


def _level(text: str, annotation: str, platforms: Sequence[Platform]) -> tuple[str, Platform | None]:
    """And the platform that it is for, None if it is for all."""
    match = re.fullmatch(_LEVEL, text)
    if match is None or match["level"] not in _LEVELS:
        raise UsageError(f"unknown level {text!r} in --annotation {annotation!r}", hint=f"levels are {', '.join(_LEVELS)}")
    if not match["platform"]:
        return match["level"], None
    try:
        wanted = Platform.parse(match["platform"])
    except ImageError as error:
        raise UsageError(f"--annotation {annotation!r}: {error.message}", hint=error.hint) from error
    if not any(platform.matches(wanted) for platform in platforms):
        raise UsageError(f"--annotation {annotation!r} is for {wanted}, and the image for {', '.join(map(str, platforms))}")
    return match["level"], wanted
