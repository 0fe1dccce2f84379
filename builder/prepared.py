"""All that a build needs, found and opened: context, Dockerfile, stores, caches, and what carries it out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from builder import __version__
from builder.bases import Bases
from builder.cache_flags import is_caching
from builder.cancel import Cancel
from builder.checks import linter_of, report, verdict
from builder.context import Means
from builder.context.gitoptions import GitOptions
from builder.contexts import Contexts
from builder.decoration import Decoration
from builder.dockerfile.watch import Watcher
from builder.epoch import settled
from builder.errors import UsageError
from builder.govalues import is_bool, parse_bool
from builder.image.platform import Platform
from builder.image.reference import Reference
from builder.inputs import Inputs, open_inputs
from builder.journal import Journal
from builder.log import RunOutput, Shield
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.output_flags import by_digest
from builder.plan import BaseConfig, NamedContexts, Plan, lower, single_layer
from builder.plan.needs import runs
from builder.provisions import Provisions
from builder.provisions.secrets import read_secrets
from builder.remotes import Remote, connect
from builder.retry import Again
from builder.sandbox import choose
from builder.settings import Settings, platforms_of, read_build_args
from builder.state import State
from builder.store.layout import LayoutStore, opened
from builder.trees import opened_trees
from builder.values import dataclass
from builder.workshop import ImageOf, Workshop

if TYPE_CHECKING:
    from builder.layer_cache import Findings
    from builder.lookup import Lookup
    from builder.saved_mounts.keeper import SavedMounts
    from builder.store.warmed import WarmCache


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The image that is to be made for one platform."""

    platform: Platform
    settings: Settings
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that a plan needs; `directory` is the build's own and goes with it. `epoch` None: as the options alone say."""

    directory: Path
    local: LayoutStore
    remote: Remote
    image_of: ImageOf
    build_args: Mapping[str, str]
    epoch: int | None
    named: NamedContexts
    secrets: Mapping[str, bytes]
    contexts: Contexts
    inputs: Inputs

    def plan(
        self,
        options: BuildOptions,
        platform: Platform,
        *,
        watch: Watcher,
        base_config: BaseConfig | None = None,
        every_stage: bool = False,
    ) -> Plan:
        """Lower the Dockerfile; `base_config` is for who can do without a base image. Raises BuilderError."""
        first, *also = [name for text in options.target for name in text.split(",") if name] or [""]
        plan = lower(
            self.inputs.dockerfile,
            target=first,
            also=also,
            build_args=self.build_args,
            labels=dict(_label(text) for text in options.label),
            platform=platform,
            base_config=base_config or (lambda reference, wanted: self.image_of(reference, wanted).config),
            named=self.named,
            watch=watch,
            every_stage=every_stage,
        )
        return single_layer(plan) if options.single_snapshot else plan

    def checked_plans(self, options: BuildOptions, journal: Journal | None = None) -> Mapping[Platform, Plan]:
        """The plan for each platform, after the warnings of the build checks, of which none is told twice.

        Raises BuilderError, too, if the Dockerfile wants no warnings.
        """
        linter = linter_of(self.inputs.dockerfile, self.inputs.context, self.build_args)
        try:
            plans = {platform: self.plan(options, platform, watch=linter) for platform in platforms_of(options)}
        finally:
            report(linter, journal)
        verdict(linter)
        return plans


@contextmanager
def prepared(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> Iterator[Prepared]:
    """Find the Dockerfile and the context. Raises BuilderError."""
    warm, state, remote = _warm_cache(options), State.at(common.state_dir, env), connect(registry, env)
    given, named = read_build_args(options.build_arg, env), NamedContexts.parse(options.build_context)
    with state.working_directory() as directory, opened(state.store) as local:
        secrets = read_secrets(options.secret, env)
        contexts = _contexts(directory, named, options, env, secrets, given)
        inputs = open_inputs(options, contexts, stdin=sys.stdin.buffer)
        build_args, epoch = settled(given, inputs)
        yield Prepared(
            directory=directory,
            local=local,
            remote=remote,
            image_of=cache(Bases(local=local, remote=remote, warm=warm, again=Again(extra=registry.image_download_retry)).find),
            build_args=build_args,
            epoch=epoch,
            named=named,
            secrets=secrets,
            contexts=contexts,
            inputs=inputs,
        )


def _warm_cache(options: BuildOptions) -> WarmCache | None:
    if not (options.cache or options.cache_repo):
        return None
    from builder.caching import warm_cache

    return warm_cache(options)


@contextmanager
def opened_workshop(
    begun: Sequence[Plan],
    ready: Prepared,
    provisions: Provisions,
    common: CommonOptions,
    state: State,
    settings: Settings,
    saved_mounts: SavedMounts | None,
    journal: Journal,
    decoration: Decoration,
) -> Iterator[Workshop]:
    """For all plans; `begun` has those whose stages are made, as far as they go."""
    epoch, cancel, shield = settings.epoch, Cancel(), Shield(sys.stderr.buffer, decoration)
    secrets = provisions.secrets.values()
    sandbox = cache(partial(choose, common.sandbox, state.root))
    wanted = common.sandbox in ("auto", "namespaces")
    with (
        opened_trees(
            ready.directory,
            state.layers,
            wanted=wanted,
            suits=lambda: not (any(map(runs, begun)) and sandbox().moves),
            cancel=cancel,
        ) as trees,
        ThreadPoolExecutor(2, thread_name_prefix="discard") as discarding,
    ):
        yield Workshop(
            directory=ready.directory,
            store=ready.local,
            context=ready.inputs.context,
            contexts=ready.contexts,
            sandbox=sandbox,
            image_of=ready.image_of,
            now=now if epoch is None else lambda: _timestamp(epoch),
            output=lambda stage: RunOutput(sys.stderr.buffer, common, secrets=secrets, stage=stage, shield=shield),
            trees=trees,
            discard=lambda rootfs: discarding.submit(rootfs.remove),
            provisions=provisions,
            settings=settings,
            cancel=cancel,
            saved_mounts=saved_mounts,
            journal=journal,
        )


@contextmanager
def opened_saved_mounts(options: BuildOptions, ready: Prepared) -> Iterator[SavedMounts | None]:
    """What cache mounts are restored from and saved to; it is done with both when the context ends.

    Builds for several platforms share a mount's directory, in which programs are this machine's rather than anybody else's.
    """
    if not options.cache_mounts:
        yield None
        return
    from builder.saved_mounts.from_options import saved_mounts

    first, *others = platforms_of(options)
    platform, directory = Platform.host() if others else first, ready.directory / "saved-mounts"
    with saved_mounts(options, remote=ready.remote, platform=platform, directory=directory, clock=time.time_ns) as found:
        yield found


@contextmanager
def looked_up(
    wanted: Wanted,
    options: BuildOptions,
    ready: Prepared,
    provisions: Provisions,
    state: State,
    *,
    findings: Findings | None,
) -> Iterator[tuple[Plan, Lookup | None]]:
    """The plan with the layers that are cached, and what knows them; what is new is in the cache when the context ends.

    Without `findings` nothing is cached.
    """
    if findings is None:
        yield wanted.plan, None
        return
    from builder.caching import cache_rules, opened_cache  # here, as a build without a cache needn't load it
    from builder.lookup import Inputs as KeyInputs
    from builder.lookup import Lookup

    untagged = [Reference(repository=repository) for repository in by_digest(options)]
    destinations, platform = [*map(Reference.parse, options.destination), *untagged], wanted.platform
    named = [*destinations, *map(Reference.parse, options.tag)]
    with (
        opened(state.layer_cache) as local,  # what was found there stays until it has been used
        opened_cache(
            options, destinations, local=local, remote=ready.remote, platform=platform, now=_clock, findings=findings
        ) as cache,
    ):
        inputs = KeyInputs(image_of=ready.image_of, context=ready.inputs.context, contexts=ready.contexts)
        rules = cache_rules(options, wanted.plan, provisions, wanted.settings)
        subject = f"{named[0].repository if named else ''} {ready.inputs.dockerfile.file} {platform}"
        lookup = Lookup(wanted.plan, inputs, cache=cache, rules=rules, now=now, subject=subject)
        yield lookup.survey(), lookup


def findings_of(options: BuildOptions) -> Findings | None:
    """Nothing yet of the caches that the options ask for, if they ask for any."""
    if not is_caching(options):
        return None
    from builder.layer_cache import Findings

    return Findings()


def _contexts(
    directory: Path,
    named: NamedContexts,
    options: BuildOptions,
    env: Mapping[str, str],
    secrets: Mapping[str, bytes],
    build_args: Mapping[str, str],
) -> Contexts:
    keep = build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "")
    means = Means(
        env=env,
        user_agent=f"masu/{__version__}",
        stdin=sys.stdin.buffer,
        secret=secrets.get,
        git=GitOptions.parse(options.git),
        keep_git_dir=is_bool(keep) and parse_bool(keep),
    )
    contexts = Contexts(directory=directory / "contexts", means=means, named=named.values)
    contexts.check_named()
    return contexts


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"invalid --label {text!r}", hint="write KEY=VALUE")
    return key, value


def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def now() -> str:
    """RFC 3339, with microseconds."""
    return _clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _clock() -> datetime:
    return datetime.now(UTC)
