"""Named contexts: what `--build-context` puts in the place of stages, base images and `--from` (dockerui/namedcontext.go)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.errors import ImageError, UsageError
from builder.image.platform import Platform
from builder.image.reference import LAYOUT_PREFIX, Reference
from builder.values import dataclass, field

IMAGE_PREFIX = "docker-image://"
_KEPT = ("scratch", "context")
_REMOTE = ("git://", "ssh://", "http://", "https://")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedContexts:
    """`values` by name, or by `name::platform`, which comes first; names as docker shows them, without `:latest`."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> NamedContexts:
        """From NAME=VALUE; raises UsageError."""
        return cls(values=dict(_parse(text) for text in texts))

    def find(self, name: str, platform: Platform) -> str | None:
        """The key of the context that takes the place of `name` for this platform, if one does."""
        try:
            key = _key(name)
        except ImageError:
            return None
        return next((each for each in (f"{key}::{platform}", key) if each in self.values), None)

    def image(self, key: str) -> str | None:
        """The reference of the image that a context is; None if it is a tree."""
        value = self.values[key]
        if value.startswith(LAYOUT_PREFIX):
            return value
        return value.removeprefix(IMAGE_PREFIX) if value.startswith(IMAGE_PREFIX) and not self.is_empty(key) else None

    def is_empty(self, key: str) -> bool:
        return self.values[key] == f"{IMAGE_PREFIX}scratch"


def _parse(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not value:
        raise UsageError(f"invalid context value: {text}, expected key=value", hint="write --build-context NAME=VALUE")
    name, colons, platform = name.partition("::")
    try:
        key = _key(name)
        key += f"::{Platform.parse(platform)}" if colons else ""
    except ImageError as error:
        raise UsageError(f"invalid context name {name}: {error.message}", hint=error.hint) from error
    if key in _KEPT:
        raise UsageError(f"the name {key!r} means something of its own", hint="give the context another name")
    _check(value, name)
    return key, value


def _check(value: str, name: str) -> None:
    scheme, colon, rest = value.partition(":")
    if scheme in ("input", "target") and colon:
        hint = "only docker buildx bake knows such contexts: build it first, and give an oci-layout:// or a directory"
        raise UsageError(f"context {name}: {scheme}: contexts are not supported", hint=hint)
    known = value.startswith((IMAGE_PREFIX, LAYOUT_PREFIX, *_REMOTE))
    if rest.startswith("//") and not known and "/" not in scheme:
        hint = "write docker-image://, oci-layout://, a git or https URL, or a directory"
        raise UsageError(f"context {name}: unsupported context source {scheme}", hint=hint)
    if value.startswith(IMAGE_PREFIX) and value != f"{IMAGE_PREFIX}scratch":
        try:
            Reference.parse(value.removeprefix(IMAGE_PREFIX))
        except ImageError as error:
            raise UsageError(f"context {name}: {error.message}", hint=error.hint) from error


def _key(name: str) -> str:
    return Reference.parse(name).familiar.removesuffix(":latest")
