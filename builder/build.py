"""The whole story of a build on one screen: context, Dockerfile, plan, image, outputs."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from builder.foreign import foreign_step, refusal, runs_here
from builder.govalues import is_bool, parse_bool
from builder.image.image import Image
from builder.image.platform import Platform
from builder.image.product import Product
from builder.image.reference import Reference
from builder.inputs import Inputs, open_inputs
from builder.journal import Journal
from builder.log import RunOutput, Shield
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.output_flags import by_digest
from builder.outputs import Delivery, Outputs, deliver
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
from builder.settings import Settings, platforms_of, read_build_args, settings_of
from builder.state import State
from builder.store.layout import LayoutStore, opened
from builder.trees import opened_trees
from builder.values import dataclass, replace
from builder.web import shown
from builder.workshop import ImageOf, Workshop

if TYPE_CHECKING:
    from builder.attestation import Attestations
    from builder.cache_exports import CacheExports
    from builder.layer_cache import Cache
    from builder.lookup import Lookup
    from builder.saved_mounts.keeper import SavedMounts
    from builder.store.warmed import WarmCache

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The image that is to be made for one platform."""

    platform: Platform
    settings: Settings
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An image; `lookup`, if layers are cached, knows them, and `platform` is what it was made for if it isn't alone."""

    image: Image
    lookup: Lookup | None
    platform: Platform | None

    def finished(self, exports: CacheExports | None) -> Image:
        """With all that is known when it has been made."""
        image = self.lookup.settled(self.image) if self.lookup else self.image
        image = exports.inline(image, self.lookup) if exports and self.lookup else image
        return image.named_for(self.platform) if self.platform else image

    def verdicts(self) -> Iterator[dict[str, Any]]:
        """What the cache had, as JSON has it."""
        about = {"platform": str(self.platform)} if self.platform else {}
        return ({**about, **verdict.to_json()} for verdict in (self.lookup.verdicts() if self.lookup else ()))


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
    started, begin = time.monotonic(), _now()
    attestations = _attestations(options)
    options = attestations.settled(options) if attestations else options
    outputs, state = Outputs.of(options, is_terminal=sys.stdout.isatty()), State.at(common.state_dir, env)
    settings = settings_of(options, read_build_args(options.build_arg, env))
    with (
        during("building image"),
        prepared(options, registry, common, env) as ready,
        provisions_of(options, env, secrets=ready.secrets, cache_mounts=state.cache_mounts) as provisions,
        pushable(() if options.skip_push_permission_check else outputs.pushed, remote=ready.remote) as check_push,
    ):
        journal.dockerfile = str(ready.inputs.path or "")
        plans = ready.checked_plans(options, journal)
        wanted = [Wanted(platform=platform, settings=settings[platform], plan=plan) for platform, plan in plans.items()]
        begun = list[Plan]()
        check_push()
        with (
            ExitStack() as until_delivered,
            _saved_mounts(options, ready) as saved_mounts,
            _workshop(begun, ready, provisions, common, state, wanted[0].settings, saved_mounts, journal, decoration) as workshop,
        ):
            delivery = Delivery(
                local=ready.local,
                remote=ready.remote,
                again=Again(extra=registry.push_retry),
                scratch=ready.directory,
                stdout=sys.stdout.buffer,
                put=ready.contexts.put,
            )
            made = list(_made(wanted, begun, options, ready, state, workshop, until_delivered))
            if saved_mounts:
                saved_mounts.save()  # while the image is pushed
            exports = _exports(options, made, ready)
            images = [each.finished(exports) for each in made]
            facts = {**journal.facts(), "masu.seconds": round(time.monotonic() - started, 3)}
            if exports:
                facts["masu.cache"] = [verdict for each in made for verdict in each.verdicts()]
            attached = _attached(attestations, images, wanted, outputs, ready, begin) if attestations else ()
            product = Product.of(images, annotations=wanted[0].settings.annotations, attestations=attached)
            facts |= _told(product) if attestations else {}
            if options.sbom_file:
                _write_bill(product, outputs, options)
            with during("pushing image"), journal.doing("pushing image"):
                deliver(product, outputs, facts, by=delivery)
            if exports:
                exports.write(product, outputs.pushed)
    _summarize(product, time.monotonic() - started)
    return product


def _made(
    wanted: Sequence[Wanted],
    begun: list[Plan],
    options: BuildOptions,
    ready: Prepared,
    state: State,
    workshop: Workshop,
    until_delivered: ExitStack,
) -> Iterator[Made]:
    """The images, one after the other; what was cached while one was made is found for the next."""
    if len(wanted) > 1:
        _refuse_foreign(wanted, options, ready, state, workshop)
    known = known_entries(options) if len(wanted) > 1 else ()
    for number, each in enumerate(wanted):
        looking = looked_up(each, options, ready, workshop.provisions, state, known=known)
        plan, lookup = until_delivered.enter_context(looking)
        begun.append(plan)
        own, platform = replace(workshop, lookup=lookup, settings=each.settings), None
        if len(wanted) > 1:
            platform, directory = each.platform, workshop.directory / f"platform-{number}"
            directory.mkdir()
            own = replace(own, directory=directory, platform=platform)
        yield Made(image=execute(plan, own), lookup=lookup, platform=platform)


def _refuse_foreign(wanted: Sequence[Wanted], options: BuildOptions, ready: Prepared, state: State, workshop: Workshop) -> None:
    """Raises BuilderError, before anything is built, for a RUN of one of several platforms that this machine can't carry out."""
    can_run = cache(partial(runs_here, sandbox=workshop.sandbox, directory=workshop.directory))
    for each in wanted:
        if foreign_step(each.plan, can_run) is None:
            continue
        with looked_up(each, options, ready, workshop.provisions, state) as (plan, _):  # what is cached needn't be carried out
            if foreign := foreign_step(plan, can_run):
                raise refusal(*foreign)


def _attestations(options: BuildOptions) -> Attestations | None:
    """What is asked for, if anything is. Raises UsageError."""
    if not (options.provenance or options.sbom or options.attest):
        return None
    from builder.attestation import Attestations  # here, as other builds needn't load it

    found = Attestations.of(options)
    return found if found.are_any else None


def _told(product: Product) -> dict[str, Any]:
    from builder.attestation import provenance_facts

    return provenance_facts(product)


def _attached(
    attestations: Attestations, images: Sequence[Image], wanted: Sequence[Wanted], outputs: Outputs, ready: Prepared, begin: str
) -> Sequence[Image]:
    """One for each image. Raises BuilderError."""
    from builder.attestation import Circumstances, attest

    inputs = ready.inputs
    about = Circumstances(
        options=outputs.options,
        names=tuple(dict.fromkeys((*outputs.destinations, *outputs.tags, *outputs.pushed))),
        entry_point=inputs.path.name if inputs.path else shown(inputs.dockerfile.file),
        dockerfile=inputs.dockerfile.data,
        source=inputs.source,
        origin=inputs.origin,
        build_args=ready.build_args,
        named=ready.named.values,
        image_of=ready.image_of,
        origin_of=ready.contexts.origin_of,
        invocation=os.urandom(16).hex(),
        started=begin,
        finished=_now(),
        secrets=tuple(ready.secrets.values()),
    )
    return [attest(image, each.plan, attestations, about) for image, each in zip(images, wanted, strict=True)]


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
            now=_now if epoch is None else lambda: _timestamp(epoch),
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
def _saved_mounts(options: BuildOptions, ready: Prepared) -> Iterator[SavedMounts | None]:
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
    known: Sequence[Cache] = (),
) -> Iterator[tuple[Plan, Lookup | None]]:
    """The plan with the layers that are cached, and what knows them; what is new is in the cache when the context ends.

    Those `known` are asked first.
    """
    if not is_caching(options):
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
            options, destinations, local=local, remote=ready.remote, platform=platform, now=_clock, known=known
        ) as cache,
    ):
        inputs = KeyInputs(image_of=ready.image_of, context=ready.inputs.context, contexts=ready.contexts)
        rules = cache_rules(options, wanted.plan, provisions, wanted.settings)
        subject = f"{named[0].repository if named else ''} {ready.inputs.dockerfile.file} {platform}"
        lookup = Lookup(wanted.plan, inputs, cache=cache, rules=rules, now=_now, subject=subject)
        yield lookup.survey(), lookup


def known_entries(options: BuildOptions) -> tuple[Cache, ...]:
    """What keeps in mind what is cached while a build for several platforms goes on."""
    if not is_caching(options):
        return ()
    from builder.layer_cache import MemoryCache

    return (MemoryCache(),)


def _exports(options: BuildOptions, made: Sequence[Made], ready: Prepared) -> CacheExports | None:
    lookups = [each.lookup for each in made if each.lookup]
    if not lookups:
        return None
    from builder.cache_exports import CacheExports

    return CacheExports(targets=cache_targets(options), lookups=lookups, remote=ready.remote)


def show_plan(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> str:
    """What `build` would do, as text. Raises BuilderError."""
    with prepared(options, registry, common, env) as ready:
        plans = ready.checked_plans(options)
        heads = [f"platform {platform}\n" if len(plans) > 1 else "" for platform in plans]
        return "\n".join(head + render(plan) for head, plan in zip(heads, plans.values(), strict=True))


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
    log.info("built %s", product.named.descriptor.digest)
    log.info("%d layers, %.1f MB compressed, %.1f s", len(product.layers), product.size / 1e6, seconds)
