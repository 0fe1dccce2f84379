"""What --cache-mounts and --cache-mounts-limit ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import ImageError, UsageError
from builder.govalues import parse_size
from builder.image.platform import Platform
from builder.image.reference import Reference, Repository
from builder.options import BuildOptions
from builder.saved_mounts.keeper import Rules, SavedMounts
from builder.saved_mounts.saving import Clock
from builder.store import Store
from builder.store.layout import opened

_LOCAL = "oci:"


@contextmanager
def saved_mounts(
    options: BuildOptions, *, remote: Callable[[Repository], Store], platform: Platform, directory: Path, clock: Clock
) -> Iterator[SavedMounts]:
    """The saved mounts at the place that the options name; all is saved when the context ends. Raises UsageError."""
    place = options.cache_mounts
    rules = Rules(place=place, platform=platform, limit=_limit(options.cache_mounts_limit), saves=not options.no_push_cache)
    if place.startswith(_LOCAL) and place != _LOCAL:
        with (
            opened(Path(place.removeprefix(_LOCAL))) as layout,
            SavedMounts(layout, rules, directory=directory, clock=clock) as found,
        ):
            yield found
    else:
        with SavedMounts(remote(_repository(place)), rules, directory=directory, clock=clock) as found:
            yield found


def _limit(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"invalid --cache-mounts-limit {text!r}", hint="give bytes, or a size as 500m or 10g") from error


def _repository(text: str) -> Repository:
    hint = "give a repository, as REGISTRY/PATH, or oci:DIR for a directory"
    try:
        reference = Reference.parse(text)
    except ImageError as error:
        raise UsageError(f"invalid --cache-mounts {text!r}: {error.message}", hint=hint) from error
    if reference.digest is not None or ":" in text.rpartition("/")[2]:
        raise UsageError(f"invalid --cache-mounts {text!r}: it has a tag", hint=hint)
    return reference.repository
