"""What the options say about how the image is made, read and checked before anything is built."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Self

from builder.errors import UsageError
from builder.govalues import is_bool, parse_bool
from builder.image.annotations import Annotations
from builder.image.encoding import Encoding
from builder.image.platform import Platform
from builder.options import BuildOptions
from builder.retry import Again
from builder.rootfs.ignored import IgnoredPaths
from builder.values import dataclass, field, replace

EPOCH_ARG, OF_CONTEXT = "SOURCE_DATE_EPOCH", "context"
_SEVERAL_ARG = "BUILDKIT_MULTI_PLATFORM"
_MOST_JOBS = 256
_MOST_EPOCH_DIGITS = 11  # datetime ends with the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """At most `jobs` stages are built at the same time. `epoch` (seconds since 1970) is every time that the image records, and
    the latest that its new files have; None for the time of the build. A layer that can't be downloaded is tried `again`.
    Changes of `ignored` paths are in no layer. `platform` is what the image is said to be for; None for what its base is for. It
    `is_for_several` if it is to be as one of several platforms'.
    """

    jobs: int = 1
    epoch: int | None = None
    encoding: Encoding = field(default_factory=Encoding)
    annotations: Annotations = field(default_factory=Annotations)
    again: Again = field(default_factory=Again)
    ignored: IgnoredPaths = field(default_factory=IgnoredPaths)
    platform: Platform | None = None
    is_for_several: bool = False

    @classmethod
    def of(cls, options: BuildOptions, build_args: Mapping[str, str], platform: Platform) -> Self:
        """For the image of one of the options' platforms. Raises UsageError for values that mean nothing."""
        given = build_args.get(EPOCH_ARG, "")
        epoch = parse_epoch("" if given == OF_CONTEXT else given)
        return cls(
            jobs=_jobs(options.jobs),
            epoch=0 if epoch is None and options.reproducible else epoch,
            encoding=Encoding.parse(
                compression=options.compression,
                level=options.compression_level,
                format=options.image_format,
                force=options.force_compression,
            ),
            annotations=Annotations.parse(options.annotation, platform, of=platforms_of(options)),
            again=Again(extra=options.image_fs_extract_retry),
            ignored=IgnoredPaths.of([*options.ignore_path, *(["/var/run"] if options.ignore_var_run else [])]),
            platform=platform if _wanted(options) else None,
            is_for_several=_is_for_several(options, build_args),
        )

    def at(self, epoch: int | None) -> Self:
        """With this epoch, if it is one."""
        return self if epoch is None else replace(self, epoch=epoch)


def read_build_args(texts: Iterable[str], env: Mapping[str, str]) -> dict[str, str]:
    """The values of --build-arg; SOURCE_DATE_EPOCH is taken from the environment too, as docker's client does."""
    from_env = {EPOCH_ARG: env[EPOCH_ARG]} if env.get(EPOCH_ARG) else {}
    return from_env | dict(_build_arg(text, env) for text in texts)


def settings_of(options: BuildOptions, build_args: Mapping[str, str]) -> Mapping[Platform, Settings]:
    """Those for each platform's image, but that an epoch OF_CONTEXT isn't known yet. Raises UsageError, ImageError."""
    return {platform: Settings.of(options, build_args, platform) for platform in platforms_of(options)}


def platforms_of(options: BuildOptions) -> tuple[Platform, ...]:
    """What is built for, at least one, each once. Raises ImageError for what is no platform."""
    return _wanted(options) or (Platform.host(),)


def _wanted(options: BuildOptions) -> tuple[Platform, ...]:
    names = [name for text in options.custom_platform for name in text.split(",") if name.strip()]
    return tuple(dict.fromkeys(map(Platform.parse, names)))


def _build_arg(text: str, env: Mapping[str, str]) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key:
        raise UsageError(f"invalid --build-arg {text!r}", hint="write KEY=VALUE, or KEY to take the value from the environment")
    return key, value if equals else env.get(key, "")


def _is_for_several(options: BuildOptions, build_args: Mapping[str, str]) -> bool:
    text, several = build_args.get(_SEVERAL_ARG, ""), len(platforms_of(options)) > 1
    if text and not is_bool(text):
        raise UsageError(f"invalid --build-arg {_SEVERAL_ARG}={text!r}", hint="write true or false")
    if text and several and not parse_bool(text):
        raise UsageError(f"--build-arg {_SEVERAL_ARG}={text} is for one platform", hint="leave it out: several need an index")
    return several or (bool(text) and parse_bool(text))


def _jobs(text: str) -> int:
    if not text:
        return len(os.sched_getaffinity(0))
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_JOBS):
        raise UsageError(f"invalid --jobs {text!r}", hint=f"give a number from 1 to {_MOST_JOBS}")
    return int(text)


def parse_epoch(text: str) -> int | None:
    """SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch), which may be empty. Raises UsageError."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_EPOCH_DIGITS):
        hint = f"give seconds since 1970, as date +%s prints them, or {OF_CONTEXT}"
        raise UsageError(f"invalid {EPOCH_ARG} {text!r}", hint=hint)
    return int(text)
