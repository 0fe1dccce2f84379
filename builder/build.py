"""The whole story of a build on one screen: context, Dockerfile, plan, image, outputs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from builder import __version__
from builder.bases import Bases
from builder.cache_flags import cache_targets, is_caching
from builder.cancel import Cancel
from builder.checks import linter_of, report, verdict
from builder.context import Means
from builder.context.gitoptions import GitOptions
from builder.contexts import Contexts
from builder.decoration import Decoration
from builder.dockerfile.watch import Watcher
from builder.errors import UsageError, during
from builder.executor import execute
from builder.govalues import is_bool, parse_bool
from builder.image.product import Product
from builder.image.reference import Reference
from builder.inputs import Inputs, open_inputs
from builder.journal import Journal
from builder.log import RunOutput, Shield
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.outputs import Outputs, deliver
from builder.plan import BaseConfig, NamedContexts, Plan, lower, render, single_layer
from builder.plan.needs import runs
from builder.provisions import Provisions
from builder.provisions.from_options import provisions_of
from builder.provisions.secrets import read_secrets
from builder.pushing import pushable
from builder.remotes import Remote, connect
from builder.reports import write_file
from builder.retry import Again
from builder.sandbox import choose
from builder.settings import Settings, platform_of, read_build_args
from builder.state import State
from builder.store.layout import LayoutStore, opened
from builder.trees import opened_trees
from builder.values import dataclass
from builder.workshop import ImageOf, Workshop

if TYPE_CHECKING:
    from builder.cache_exports import CacheExports
    from builder.lookup import Lookup
    from builder.saved_mounts.keeper import SavedMounts
    from builder.store.warmed import WarmCache

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """All that a plan needs; `directory` is the build's own and goes with it."""

    directory: Path
    local: LayoutStore
    remote: Remote
    image_of: ImageOf
    build_args: Mapping[str, str]
    named: NamedContexts
    secrets: Mapping[str, bytes]
    contexts: Contexts
    inputs: Inputs

    def plan(
        self, options: BuildOptions, *, watch: Watcher, base_config: BaseConfig | None = None, every_stage: bool = False
    ) -> Plan:
        """Lower the Dockerfile; `base_config` is for who can do without a base image. Raises BuilderError."""
        first, *also = [name for text in options.target for name in text.split(",") if name] or [""]
        plan = lower(
            self.inputs.dockerfile,
            target=first,
            also=also,
            build_args=self.build_args,
            labels=dict(_label(text) for text in options.label),
            platform=platform_of(options),
            base_config=base_config or (lambda reference, wanted: self.image_of(reference, wanted).config),
            named=self.named,
            watch=watch,
            every_stage=every_stage,
        )
        return single_layer(plan) if options.single_snapshot else plan

    def checked_plan(self, options: BuildOptions, journal: Journal | None = None) -> Plan:
        """The plan, after the warnings of the build checks. Raises BuilderError, too, if the Dockerfile wants no warnings."""
        linter = linter_of(self.inputs.dockerfile, self.inputs.context, self.build_args)
        try:
            plan = self.plan(options, watch=linter)
        finally:
            report(linter, journal)
        verdict(linter)
        return plan


@contextmanager
def prepared(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> Iterator[Prepared]:
    """Find the Dockerfile and the context. Raises BuilderError."""
    warm, state, remote = _warm_cache(options), State.at(common.state_dir, env), connect(registry, env)
    build_args, named = read_build_args(options.build_arg, env), NamedContexts.parse(options.build_context)
    with state.working_directory() as directory, opened(state.store) as local:
        secrets = read_secrets(options.secret, env)
        contexts = _contexts(directory, named, options, env, secrets, build_args)
        yield Prepared(
            directory=directory,
            local=local,
            remote=remote,
            image_of=cache(Bases(local=local, remote=remote, warm=warm, again=Again(extra=registry.image_download_retry)).find),
            build_args=build_args,
            named=named,
            secrets=secrets,
            contexts=contexts,
            inputs=open_inputs(options, contexts, stdin=sys.stdin.buffer),
        )


def _warm_cache(options: BuildOptions) -> WarmCache | None:
    if not (options.cache or options.cache_repo):
        return None
    from builder.caching import warm_cache

    return warm_cache(options)


def build(
    options: BuildOptions,
    registry: RegistryFlags,
    common: CommonOptions,
    env: Mapping[str, str],
    *,
    journal: Journal,
    decoration: Decoration,
) -> Product:
    """Build the image and deliver it to every output; `journal` is told what happens. Raises BuilderError."""
    started = time.monotonic()
    outputs, state = Outputs.of(options), State.at(common.state_dir, env)
    settings = Settings.of(options, read_build_args(options.build_arg, env))
    with (
        during("building image"),
        prepared(options, registry, common, env) as ready,
        provisions_of(options, env, secrets=ready.secrets, cache_mounts=state.cache_mounts) as provisions,
        pushable(() if options.skip_push_permission_check else outputs.pushed, remote=ready.remote) as check_push,
    ):
        journal.dockerfile = str(ready.inputs.path or "")
        plan = ready.checked_plan(options, journal)
        check_push()
        with (
            looked_up(plan, options, ready, provisions, settings, state) as (plan, lookup),
            _saved_mounts(options, ready) as saved_mounts,
            _workshop(plan, ready, provisions, common, state, settings, lookup, saved_mounts, journal, decoration) as workshop,
        ):
            image, again = execute(plan, workshop), Again(extra=registry.push_retry)
            if saved_mounts:
                saved_mounts.save()  # while the image is pushed
            image, exports = lookup.settled(image) if lookup else image, _exports(options, lookup, ready)
            image = exports.inline(image) if exports else image
            facts = {**journal.facts(), "masu.seconds": round(time.monotonic() - started, 3)}
            if lookup:
                facts["masu.cache"] = [verdict.to_json() for verdict in lookup.verdicts()]
            product = Product.of([image], annotations=settings.annotations)
            if options.sbom_file:
                _write_bill(product, outputs, options)
            with during("pushing image"), journal.doing("pushing image"):
                deliver(product, outputs, facts, local=ready.local, remote=ready.remote, again=again, put=ready.contexts.put)
            if exports:
                exports.write(image, outputs.pushed)
    _summarize(product, time.monotonic() - started)
    return product


def _write_bill(product: Product, outputs: Outputs, options: BuildOptions) -> None:
    from builder.bill import document, read_contents  # here, as other builds needn't load it

    (image,) = product.images
    contents = read_contents(image.layers)
    named = next(iter((*outputs.destinations, *outputs.tags)), None)
    repository = named.repository if named else None
    digest, created = product.named.descriptor.digest, image.config.created
    text = document(contents, digest=digest, created=created, repository=repository)
    write_file(Path(options.sbom_file), text)
    log.info("%d packages are in the bill of materials %r", len(contents.packages), options.sbom_file)


@contextmanager
def _workshop(
    plan: Plan,
    ready: Prepared,
    provisions: Provisions,
    common: CommonOptions,
    state: State,
    settings: Settings,
    lookup: Lookup | None,
    saved_mounts: SavedMounts | None,
    journal: Journal,
    decoration: Decoration,
) -> Iterator[Workshop]:
    epoch, cancel, shield = settings.epoch, Cancel(), Shield(sys.stderr.buffer, decoration)
    secrets = provisions.secrets.values()
    sandbox = cache(partial(choose, common.sandbox, state.root))
    wanted = common.sandbox in ("auto", "namespaces")
    with (
        opened_trees(
            ready.directory, state.layers, wanted=wanted, suits=lambda: not (runs(plan) and sandbox().moves), cancel=cancel
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
            now=_now if epoch is None else lambda: _timestamp(epoch),
            output=lambda stage: RunOutput(sys.stderr.buffer, common, secrets=secrets, stage=stage, shield=shield),
            trees=trees,
            discard=lambda rootfs: discarding.submit(rootfs.remove),
            provisions=provisions,
            settings=settings,
            cancel=cancel,
            lookup=lookup,
            saved_mounts=saved_mounts,
            journal=journal,
        )


@contextmanager
def _saved_mounts(options: BuildOptions, ready: Prepared) -> Iterator[SavedMounts | None]:
    """What cache mounts are restored from and saved to; it is done with both when the context ends."""
    if not options.cache_mounts:
        yield None
        return
    from builder.saved_mounts.from_options import saved_mounts

    platform, directory = platform_of(options), ready.directory / "saved-mounts"
    with saved_mounts(options, remote=ready.remote, platform=platform, directory=directory, clock=time.time_ns) as found:
        yield found


@contextmanager
def looked_up(
    plan: Plan, options: BuildOptions, ready: Prepared, provisions: Provisions, settings: Settings, state: State
) -> Iterator[tuple[Plan, Lookup | None]]:
    """The plan with the layers that are cached, and what knows them; what is new is in the cache when the context ends."""
    if not is_caching(options):
        yield plan, None
        return
    from builder.caching import cache_rules, opened_cache  # here, as a build without a cache needn't load it
    from builder.lookup import Inputs as KeyInputs
    from builder.lookup import Lookup

    named = [Reference.parse(text) for text in (*options.destination, *options.tag)]
    platform, destinations = platform_of(options), named[: len(options.destination)]
    with (
        opened(state.layer_cache) as local,  # what was found there stays until it has been used
        opened_cache(options, destinations, local=local, remote=ready.remote, platform=platform, now=_clock) as cache,
    ):
        inputs = KeyInputs(image_of=ready.image_of, context=ready.inputs.context, contexts=ready.contexts)
        rules = cache_rules(options, plan, provisions, settings)
        subject = f"{named[0].repository if named else ''} {ready.inputs.dockerfile.file}"
        lookup = Lookup(plan, inputs, cache=cache, rules=rules, now=_now, subject=subject)
        yield lookup.survey(), lookup


def _exports(options: BuildOptions, lookup: Lookup | None, ready: Prepared) -> CacheExports | None:
    if lookup is None:
        return None
    from builder.cache_exports import CacheExports

    return CacheExports(targets=cache_targets(options), lookup=lookup, remote=ready.remote)


def show_plan(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> str:
    """What `build` would do, as text. Raises BuilderError."""
    with prepared(options, registry, common, env) as ready:
        return render(ready.checked_plan(options))


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


def _now() -> str:
    return _clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _clock() -> datetime:
    return datetime.now(UTC)


def _summarize(product: Product, seconds: float) -> None:
    layers = [layer for image in product.images for layer in image.layers]
    size = sum(layer.blob.descriptor.size for layer in layers)
    log.info("built %s", product.named.descriptor.digest)
    log.info("%d layers, %.1f MB compressed, %.1f s", len(layers), size / 1e6, seconds)
