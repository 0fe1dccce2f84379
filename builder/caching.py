"""What --cache and the flags beside it ask for, checked by Kaniko's rules."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from builder.cache_flags import CacheFlag, cache_targets
from builder.errors import UsageError
from builder.image.platform import Platform
from builder.image.reference import Reference
from builder.layer_cache import Cache, Chain, Findings, ListedCache, TagCache, Trusted
from builder.ops import Exec, Op
from builder.options import BuildOptions
from builder.plan import Plan
from builder.provisions import Provisions
from builder.remotes import Remote
from builder.settings import Settings
from builder.store import Store
from builder.store.layout import LayoutStore
from builder.store.warmed import WarmCache
from builder.values import dataclass, replace

log = logging.getLogger(__name__)

_LOCAL = "oci:"


def warm_cache(options: BuildOptions) -> WarmCache | None:
    """The base images that `masu warmer` has fetched, if they may be used; what is no directory, or can't be read, has none.

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
    if _is_useless(options.cache_dir):
        log.warning("no base images are taken from --cache-dir %s: it is no directory that can be read", options.cache_dir)
        return None
    return WarmCache(layout=LayoutStore(Path(options.cache_dir)), ttl=options.cache_ttl)


def _is_useless(path: str) -> bool:
    """Whether something is there, but no directory that this user may read."""
    return os.path.lexists(path) and not (os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is cached; in stages of `fresh` (indexes) nothing is looked up. `surroundings` are for keys, see op_key.

    `together`: each stage has one layer of all that it does.
    """

    runs: bool = True
    copies: bool = False
    together: bool = False
    fresh: frozenset[int] = frozenset()
    surroundings: Callable[[Op], Mapping[str, Any]] = lambda op: {}

    def caches(self, op: Op) -> bool:
        """Whether layers of such ops are."""
        return self.runs if isinstance(op, Exec) else self.copies


def cache_rules(options: BuildOptions, plan: Plan, provisions: Provisions, settings: Settings) -> Rules:
    """What the options say of caching."""
    names = {name.lower() for name in options.no_cache_filter}
    fresh = (stage.index for stage in plan.stages if options.no_cache or {stage.name.lower(), str(stage.index)} & names)
    return Rules(
        runs=options.cache_run_layers,
        copies=options.cache_copy_layers or bool(options.cache_from or cache_targets(options)),
        together=plan.single_layer,
        fresh=frozenset(fresh),
        surroundings=lambda op: _surroundings(op, options, provisions, settings),
    )


def _surroundings(op: Op, options: BuildOptions, provisions: Provisions, settings: Settings) -> dict[str, Any]:
    """How layers are written, and what every RUN is given that it can see."""
    encoding = settings.encoding
    found: dict[str, Any] = {
        "compression": [encoding.compression.value, encoding.level],
        "epoch": settings.epoch,
        "ignored": [options.ignore_var_run, list(options.ignore_path)],
    }
    if isinstance(op, Exec):
        limits = [[limit.resource, limit.soft, limit.hard] for limit in provisions.limits]
        found |= {"hosts": [list(pair) for pair in provisions.hosts], "shm": provisions.shm_size, "limits": limits}
        found["network"] = provisions.network.value
        found |= {"hostname": provisions.hostname} if provisions.hostname else {}
    return found


@contextmanager
def opened_cache(
    options: BuildOptions,
    destinations: Sequence[Reference],
    *,
    local: LayoutStore,
    remote: Remote,
    platform: Platform,
    now: Callable[[], datetime],
    findings: Findings,
) -> Iterator[Cache]:
    """What the build has made, and what --cache and --cache-from name; all that is new has been saved when the context ends.

    With --cache that is --cache-repo, else the place beside the first destination, else the layout `local`. Raises UsageError.
    """
    caches = list[Cache]()
    with ExitStack() as stack:
        if options.cache:
            store, saves = _store(options.cache_repo, destinations, remote) or local, not options.no_push_cache
            caches.append(stack.enter_context(TagCache(store, platform=platform, ttl=options.cache_ttl, saves=saves, now=now)))
        for flag in map(CacheFlag.parse_from, options.cache_from):
            store_of = partial(_listed, flag, remote)
            ttl = options.cache_ttl
            caches.append(ListedCache(store_of, flag.name, shown=flag.text, platform=platform, ttl=ttl, now=now))
        yield Chain([findings.made, Trusted(Chain(caches), findings)])


def _listed(flag: CacheFlag, remote: Remote) -> Store:
    return remote(flag.reference.repository) if flag.reference else LayoutStore(Path(flag.directory))


def _store(text: str, destinations: Sequence[Reference], remote: Remote) -> Store | None:
    if text.startswith(_LOCAL):
        return LayoutStore(Path(text.removeprefix(_LOCAL)))
    if text:
        return remote(Reference.parse(text).repository)
    if destinations:
        first = destinations[0].repository
        return remote(replace(first, path=f"{first.path}/cache"))
    return None


def _check_repository(text: str) -> None:
    if not text or (text.startswith(_LOCAL) and text != _LOCAL):
        return
    reference = Reference.parse(text)
    if reference.digest is not None or ":" in text.rpartition("/")[2]:
        raise UsageError(f"invalid --cache-repo {text!r}: it has a tag", hint="give a repository: the tags are the layers' keys")
