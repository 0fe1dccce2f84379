"""Platforms: `os/architecture[/variant]`, spelled as in the OCI image index."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from builder.errors import ImageError
from builder.values import dataclass

if TYPE_CHECKING:
    from builder.image.descriptor import Descriptor

# containerd/platforms, database.go: what people and uname write → Go's GOARCH and the OCI variant.
_ARCHITECTURES = {
    "x86_64": ("amd64", ""), "x86-64": ("amd64", ""), "i386": ("386", ""), "i686": ("386", ""),
    "aarch64": ("arm64", ""), "armhf": ("arm", "v7"), "armel": ("arm", "v6"), "armv7l": ("arm", "v7"), "armv6l": ("arm", "v6"),
}  # fmt: skip
_OPERATING_SYSTEMS = {"macos": "darwin"}
# fmt: off
_KNOWN_ARCHITECTURES = frozenset({
    "386", "amd64", "amd64p32", "arm", "armbe", "arm64", "arm64be", "loong64", "mips", "mips64", "mips64le", "mips64p32",
    "mips64p32le", "mipsle", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64", "wasm",
})
_KNOWN_OPERATING_SYSTEMS = frozenset({
    "aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd", "openbsd",
    "plan9", "solaris", "windows", "zos",
})
# fmt: on
_COMPONENT = re.compile(r"[a-z0-9_.-]+", re.ASCII)
_FORM = "a platform is os/architecture or os/architecture/variant"
_DEFAULT_VARIANTS = {"arm64": "v8", "arm": "v7", "amd64": "v1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Platform:
        """From `linux`, `arm64`, `linux/arm64` or `linux/arm/v7`; raises ImageError on anything else."""
        parts = text.strip().lower().split("/")
        if not all(map(_COMPONENT.fullmatch, parts)) or len(parts) > 3:
            raise ImageError(f"invalid platform {text!r}", hint=_FORM)
        if len(parts) == 1:
            return cls._of_one(parts[0])
        return cls.normalized(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == 3 else "")

    @classmethod
    def _of_one(cls, word: str) -> Platform:
        """An operating system or an architecture alone: only here must it be one that is known."""
        if _OPERATING_SYSTEMS.get(word, word) in _KNOWN_OPERATING_SYSTEMS:
            return cls.normalized(os=word, architecture=cls.host().architecture)
        found = cls.normalized(os="linux", architecture=word)
        if found.architecture not in _KNOWN_ARCHITECTURES:
            raise ImageError(f"invalid platform {word!r}: no operating system or architecture of that name is known", hint=_FORM)
        return found

    @classmethod
    def normalized(cls, *, os: str, architecture: str, variant: str = "") -> Platform:
        """With the aliases resolved and a default variant (arm64/v8, amd64/v1) left out, as docker writes them."""
        name, implied = _ARCHITECTURES.get(architecture, (architecture, ""))
        variant = variant or implied
        if name == "arm":
            variant = variant or "v7"
        elif _DEFAULT_VARIANTS.get(name) == variant:
            variant = ""
        return cls(os=_OPERATING_SYSTEMS.get(os, os), architecture=name, variant=variant)

    @classmethod
    def host(cls) -> Platform:
        """What this machine runs natively."""
        return cls.normalized(os="linux", architecture=os.uname().machine.lower())

    @classmethod
    def from_json(cls, data: Any) -> Platform:
        if (
            not isinstance(data, dict)
            or not isinstance(data.get("os", ""), str)
            or not isinstance(data.get("architecture", ""), str)
        ):
            raise ImageError(f"invalid platform in an index: {data!r}")
        features = data.get("os.features") or ()
        return cls(
            os=data.get("os", ""),
            architecture=data.get("architecture", ""),
            variant=str(data.get("variant") or ""),
            os_version=str(data.get("os.version") or ""),
            os_features=tuple(str(feature) for feature in features) if isinstance(features, list | tuple) else (),
        )

    def to_json(self) -> dict[str, Any]:
        optional = {"variant": self.variant, "os.version": self.os_version, "os.features": list(self.os_features)}
        return {"architecture": self.architecture, "os": self.os} | {key: value for key, value in optional.items() if value}

    def matches(self, wanted: Platform) -> bool:
        """Whether an image of this platform is what someone who wants `wanted` means."""
        mine = Platform.normalized(os=self.os, architecture=self.architecture, variant=self.variant)
        theirs = Platform.normalized(os=wanted.os, architecture=wanted.architecture, variant=wanted.variant)
        return mine == theirs

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


def choose(manifests: Iterable[Descriptor], wanted: Platform) -> Descriptor | None:
    """The first manifest of an index for `wanted`; a lower arm variant or one without a variant will do if none fits better."""
    candidates = [item for item in manifests if item.platform and _runs_on(item.platform, wanted)]
    exact = [item for item in candidates if item.platform and item.platform.matches(wanted)]
    if exact:
        return exact[0]
    return max(candidates, key=lambda item: item.platform.variant if item.platform else "", default=None)


def _runs_on(platform: Platform, wanted: Platform) -> bool:
    if (platform.os, _ARCHITECTURES.get(platform.architecture, (platform.architecture,))[0]) != (wanted.os, wanted.architecture):
        return False
    if not wanted.variant or not platform.variant:
        return platform.matches(wanted) or not platform.variant
    return platform.variant <= wanted.variant
