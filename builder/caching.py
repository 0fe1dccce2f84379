"""What --cache and the flags beside it ask for, checked by Kaniko's rules. Layers are not cached yet; base images are."""

from __future__ import annotations

import logging
from pathlib import Path

from builder.errors import UsageError
from builder.image.reference import Reference
from builder.options import BuildOptions
from builder.store.layout import LayoutStore
from builder.store.warmed import WarmCache

log = logging.getLogger(__name__)

_LOCAL = "oci:"


def warm_cache(options: BuildOptions) -> WarmCache | None:
    """The base images that `masu warmer` has fetched, if they may be used; a directory that isn't there has none.

    Raises UsageError for flags that can't be together.
    """
    _check_repository(options.cache_repo)
    if not options.cache:
        if options.cache_repo:
            log.warning("--cache-repo has no effect without --cache")
        return None
    if options.no_push and not options.cache_repo and not options.no_push_cache:
        raise UsageError(
            "cache flags invalid: if using cache with --no-push, specify cache repo with --cache-repo",
            hint="or give --no-push-cache, which keeps base images of --cache-dir only",
        )
    log.warning(
        "--cache: layers are not cached yet, every instruction is carried out; base images come from --cache-dir if there"
    )
    return WarmCache(layout=LayoutStore(Path(options.cache_dir)), ttl=options.cache_ttl)


def _check_repository(text: str) -> None:
    if not text or (text.startswith(_LOCAL) and text != _LOCAL):
        return
    reference = Reference.parse(text)
    if reference.digest is not None or ":" in text.rpartition("/")[2]:
        raise UsageError(f"invalid --cache-repo {text!r}: it has a tag", hint="give a repository: the tags are the layers' keys")
