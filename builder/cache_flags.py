"""What docker's --cache-from and --cache-to say, as buildx reads them (docs.docker.com/build/cache/backends)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Self

from builder.errors import UsageError
from builder.govalues import csv_fields, is_bool, parse_bool
from builder.image.reference import DEFAULT_TAG, Reference
from builder.options import BuildOptions
from builder.values import dataclass

_INLINE_ARG = "BUILDKIT_INLINE_CACHE"
_ELSEWHERE = ("gha", "s3", "azblob")
_TRUE_ANYWAY = ("oci-mediatypes", "image-manifest", "ignore-error")
_FROM: Mapping[str, tuple[str, ...]] = {"registry": ("ref",), "local": ("src", "tag", "digest")}
_TO: Mapping[str, tuple[str, ...]] = {"registry": ("ref", "mode"), "local": ("dest", "tag", "mode"), "inline": ("mode",)}


class Kind(Enum):
    REGISTRY = "registry"
    LOCAL = "local"
    INLINE = "inline"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFlag:
    """A document that lists cached layers: in a registry at `reference`, in a layout under a name, or the built image's own.

    `of_all`: the layers of all stages, not only of the target.
    """

    text: str
    kind: Kind
    reference: Reference | None = None
    directory: str = ""
    name: str = ""
    of_all: bool = False

    @classmethod
    def parse_from(cls, text: str) -> Self:
        """Of --cache-from. Raises UsageError."""
        return cls._parse("--cache-from", text, _FROM)

    @classmethod
    def parse_to(cls, text: str) -> Self:
        """Of --cache-to. Raises UsageError."""
        return cls._parse("--cache-to", text, _TO)

    @classmethod
    def _parse(cls, option: str, text: str, kinds: Mapping[str, tuple[str, ...]]) -> Self:
        pairs = _pairs(option, text)
        kind = pairs.pop("type", "registry")
        if kind not in kinds:
            raise UsageError(f"{option} {text!r}: masu has no cache of type {kind!r}", hint=_instead(kind, option, kinds))
        for key, value in pairs.items():
            _check(option, text, key, value, kinds[kind])
        of_all = _is_max(option, text, pairs.get("mode", "min"), kind)
        if kind == "inline":
            return cls(text=text, kind=Kind.INLINE)
        if kind == "registry":
            reference = Reference.parse(_needed(option, text, pairs, "ref"))
            if reference.digest is not None and option == "--cache-to":
                raise UsageError(f"{option} {text!r}: a digest can't be written to", hint="give a tag")
            name = str(reference.digest) if reference.digest else reference.tag or DEFAULT_TAG
            return cls(text=text, kind=Kind.REGISTRY, reference=reference, name=name, of_all=of_all)
        directory = _needed(option, text, pairs, "src" if option == "--cache-from" else "dest")
        name = pairs.get("digest") or pairs.get("tag") or DEFAULT_TAG
        return cls(text=text, kind=Kind.LOCAL, directory=directory, name=name, of_all=of_all)


def is_caching(options: BuildOptions) -> bool:
    """Whether any flag asks for cached layers."""
    return options.cache or bool(options.cache_from or cache_targets(options))


def cache_targets(options: BuildOptions) -> tuple[CacheFlag, ...]:
    """Where --cache-to puts them. Raises UsageError."""
    inline = dict(text.partition("=")[::2] for text in options.build_arg).get(_INLINE_ARG, "")
    asked = ["type=inline"] if is_bool(inline) and parse_bool(inline) else []
    return tuple(CacheFlag.parse_to(text) for text in dict.fromkeys((*options.cache_to, *asked)))


def _pairs(option: str, text: str) -> dict[str, str]:
    try:
        fields = csv_fields(text)
    except ValueError as error:
        raise UsageError(f"invalid {option} {text!r}: {error}", hint="write type=registry,ref=REFERENCE") from error
    if len(fields) == 1 and "=" not in fields[0]:
        return {"type": "registry", "ref": fields[0]}
    pairs = [field.partition("=") for field in fields]
    for key, equals, _ in pairs:
        if not equals:
            raise UsageError(f"invalid {option} {text!r}: {key!r} has no value", hint="write KEY=VALUE, with commas between them")
    return {key.strip().lower(): value for key, _, value in pairs}


def _check(option: str, text: str, key: str, value: str, known: tuple[str, ...]) -> None:
    if key in known:
        return
    if key in _TRUE_ANYWAY:
        if is_bool(value) and parse_bool(value):
            return
        hint = "leave it out: the cache is an OCI image manifest, and no trouble with it fails a build"
    elif "compression" in key:
        hint = "leave it out: cached layers are compressed as --compression says"
    elif key == "registry.insecure":
        hint = "give --insecure-registry HOST instead"
    else:
        hint = f"known are {', '.join(known)}"
    raise UsageError(f"{option} {text!r}: {key}={value} can't be had", hint=hint)


def _is_max(option: str, text: str, mode: str, kind: str) -> bool:
    if mode not in ("min", "max"):
        raise UsageError(f"{option} {text!r}: unknown mode {mode!r}", hint="modes are min and max")
    if mode == "max" and kind == "inline":
        hint = "an image has its own layers only: write the others elsewhere, with type=registry,ref=REFERENCE,mode=max"
        raise UsageError(f"{option} {text!r}: inline is for mode=min", hint=hint)
    return mode == "max"


def _needed(option: str, text: str, pairs: Mapping[str, str], key: str) -> str:
    if not pairs.get(key):
        raise UsageError(f"{option} {text!r}: {key}= is missing")
    return pairs[key]


def _instead(kind: str, option: str, kinds: Mapping[str, tuple[str, ...]]) -> str:
    if kind in _ELSEWHERE:
        return "use a registry, as type=registry,ref=REFERENCE; or type=local and what your CI has to keep a directory"
    if kind == "inline" and option == "--cache-from":
        return "name the image that has it: type=registry,ref=REFERENCE"
    return f"types are {', '.join(kinds)}"
