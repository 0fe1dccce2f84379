"""Rules about the variables and platforms of FROM (BuildKit, dockerfile2llb/validations.go)."""

from __future__ import annotations

from collections.abc import Iterator

from builder.dockerfile import words
from builder.dockerfile.lint.rule import Base, Hit, Origin, Rule
from builder.dockerfile.problem import Problem, nearest
from builder.dockerfile.words import Uses
from builder.errors import ImageError
from builder.image.platform import Platform
from builder.image.reference import ARCHIVE_PREFIX, LAYOUT_PREFIX, Reference

_TARGET = "TARGETPLATFORM"


def _undefined(origin: Origin) -> Iterator[Hit]:
    item = origin.instruction
    for word in (item.base, item.platform):
        _, uses = _expanded(origin, word)
        for name in uses.unset:
            if name in origin.declared:
                continue
            similar = nearest(name, sorted(origin.declared))
            hint = f" (did you mean {similar!r}?)" if similar else ""
            yield Hit(line=item.line, detail=f"argument {name!r} of FROM is not declared above the first FROM{hint}")


def _bad_default(origin: Origin) -> Iterator[Hit]:
    if origin.defaults is None:
        return
    item = origin.instruction
    try:
        name = words.expand(item.base, origin.defaults, escape=item.line.escape)
        if not name.startswith((LAYOUT_PREFIX, ARCHIVE_PREFIX)):
            Reference.parse(name)
    except Problem:  # so does the build itself, if it uses the default
        return
    except ImageError:
        yield Hit(line=item.line, detail=f"{item.base!r} is no name of an image when its arguments have their defaults")


def _redundant_platform(origin: Origin) -> Iterator[Hit]:
    text = origin.instruction.platform
    result, uses = _expanded(origin, text)
    if list(uses.found) == [_TARGET] and not uses.unset and result == origin.args[_TARGET]:
        yield Hit(line=origin.instruction.line, detail=f"--platform={text} is what FROM takes anyway")


def _constant_platform(origin: Origin) -> Iterator[Hit]:
    """A stage that is named after its platform is meant so."""
    item = origin.instruction
    result, uses = _expanded(origin, item.platform)
    if not result or uses.found or uses.unset:
        return
    try:
        platform = Platform.parse(result)
    except ImageError:
        return
    if platform.os not in item.name and platform.architecture not in item.name:
        yield Hit(line=item.line, detail=f"--platform of FROM has the constant value {result!r}")


def _expanded(origin: Origin, word: str) -> tuple[str, Uses]:
    uses = Uses()
    try:
        return words.expand(word, origin.args, escape=origin.instruction.line.escape, uses=uses), uses
    except Problem:  # the build will say so
        return "", uses


def _mismatch(base: Base) -> Iterator[Hit]:
    wanted, actual = base.wanted, base.actual
    if (wanted.os, wanted.architecture) != (actual.os, actual.architecture):
        yield Hit(line=base.line, detail=f"base image {base.reference!r} is for '{actual}', not for '{wanted}'")


UNDEFINED_ARG_IN_FROM = Rule(
    name="UndefinedArgInFrom",
    summary="FROM uses a variable that nothing declares",
    advice="FROM sees the ARGs above the first FROM and the platform arguments (TARGETPLATFORM, BUILDPLATFORM…), nothing else.",
    bad="ARG VERSION=1\nFROM scratch$VERSIN",
    good="ARG VERSION=\nFROM scratch$VERSION",
    on_from=_undefined,
)
INVALID_DEFAULT_ARG_IN_FROM = Rule(
    name="InvalidDefaultArgInFrom",
    summary="FROM has no valid image without `--build-arg`",
    advice="Give the argument a default, in ARG or as `${NAME:-default}`, so that the file can be built as it is.",
    bad="ARG TAG\nFROM busybox:${TAG}",
    good="ARG TAG=latest\nFROM busybox:${TAG}",
    on_from=_bad_default,
)
REDUNDANT_TARGET_PLATFORM = Rule(
    name="RedundantTargetPlatform",
    summary="`--platform=$TARGETPLATFORM`",
    advice="A stage is for the target platform anyway.",
    bad="FROM --platform=$TARGETPLATFORM scratch",
    good="FROM scratch",
    on_from=_redundant_platform,
)
FROM_PLATFORM_FLAG_CONST_DISALLOWED = Rule(
    name="FromPlatformFlagConstDisallowed",
    summary="`--platform` has a constant value",
    advice="The image can then be built for that platform only; give the platform on the command line, use $BUILDPLATFORM, or "
    "name the stage after the platform.",
    bad="FROM --platform=linux/amd64 scratch AS app",
    good="FROM --platform=$BUILDPLATFORM scratch AS app",
    on_from=_constant_platform,
)
INVALID_BASE_IMAGE_PLATFORM = Rule(
    name="InvalidBaseImagePlatform",
    summary="the base image is for another platform",
    advice="Its programs may not run here; choose an image of the platform that is built for, or `--platform`.",
    bad="FROM image-for-arm64",
    good="FROM image-for-many-platforms",
    needs="the config of the base image",
    on_base=_mismatch,
)
