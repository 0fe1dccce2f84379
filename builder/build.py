"""The whole story of a build on one screen: context, Dockerfile, plan, image, outputs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from builder.about import product_of, provenance, wanted_attestations
from builder.cache_flags import cache_targets
from builder.decoration import Decoration
from builder.errors import CacheError, during
from builder.executor import execute
from builder.image.image import Image
from builder.image.platform import Platform
from builder.image.product import Product
from builder.journal import Journal
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.outputs import Delivery, Outputs, deliver
from builder.plan import Plan, render
from builder.prepared import Prepared, Wanted, findings_of, looked_up, now, opened_saved_mounts, opened_workshop, prepared
from builder.provisions.from_options import provisions_of
from builder.pushing import Ahead, pushable
from builder.retry import Again
from builder.settings import read_build_args, settings_of
from builder.state import State
from builder.values import dataclass, replace
from builder.workshop import Workshop

if TYPE_CHECKING:
    from builder.cache_exports import CacheExports
    from builder.lookup import Lookup

log = logging.getLogger(__name__)


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
    started, begin = time.monotonic(), now()
    attestations = wanted_attestations(options)
    options = attestations.settled(options) if attestations else options
    outputs, state = Outputs.of(options, is_terminal=sys.stdout.isatty()), State.at(common.state_dir, env)
    settings = settings_of(options, read_build_args(options.build_arg, env))
    with (
        during("building image"),
        prepared(options, registry, common, env) as ready,
        provisions_of(
            options, env, build_args=ready.build_args, secrets=ready.secrets, cache_mounts=state.cache_mounts
        ) as provisions,
        pushable(() if options.skip_push_permission_check else outputs.pushed, remote=ready.remote) as check_push,
    ):
        journal.dockerfile = str(ready.inputs.path or "")
        plans = ready.checked_plans(options, journal)
        wanted = [
            Wanted(platform=platform, settings=settings[platform].at(ready.epoch), plan=plan) for platform, plan in plans.items()
        ]
        begun, first = list[Plan](), wanted[0].settings
        check_push()
        with (
            ExitStack() as until_delivered,
            Ahead(outputs.pushed, remote=ready.remote) as ahead,
            opened_saved_mounts(options, ready) as saved_mounts,
            opened_workshop(begun, ready, provisions, common, state, first, saved_mounts, journal, decoration) as workshop,
        ):
            delivery = Delivery(
                local=ready.local,
                remote=ready.remote,
                again=Again(extra=registry.push_retry),
                scratch=ready.directory,
                stdout=sys.stdout.buffer,
                put=ready.contexts.put,
            )

            def carry_out(workshop: Workshop) -> Product:
                made = list(_made(wanted, begun, options, ready, state, workshop, until_delivered))
                if saved_mounts:
                    saved_mounts.save()  # while the image is pushed
                exports = _exports(options, made, ready, workshop)
                images = [each.finished(exports) for each in made]
                facts = {**journal.facts(), "masu.seconds": round(time.monotonic() - started, 3)}
                if exports:
                    facts["masu.cache"] = [verdict for each in made for verdict in each.verdicts()]
                product = product_of(images, wanted, attestations, outputs, ready, begin=begin)
                facts |= provenance(product) if attestations else {}
                with during("pushing image"), journal.doing("pushing image"):
                    ahead.settle()
                    deliver(product, outputs, facts, by=delivery)
                if exports:
                    exports.write(product, outputs.pushed)
                return product

            send, findings = ahead.send if outputs.pushed else None, findings_of(options)
            product = _whatever_caches_lack(carry_out, replace(workshop, send=send, findings=findings))
    _summarize(product, time.monotonic() - started)
    return product


def _whatever_caches_lack(carry_out: Callable[[Workshop], Product], workshop: Workshop) -> Product:
    """What is carried out with the workshop, again where a cached layer can't be had; what has been made by then is found."""
    own, findings = workshop, workshop.findings
    while True:
        try:
            return carry_out(own)
        except CacheError as error:
            number = findings.begin_again() if findings else 0
            if not number:
                raise
            log.warning("%s; the build begins again without it", error.message)
            workshop.cancel.reset()
            workshop.journal.begin_anew()
            directory = workshop.directory / f"beginning-{number}"
            directory.mkdir()
            own = replace(workshop, directory=directory)


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
    for number, each in enumerate(wanted):
        looking = looked_up(each, options, ready, workshop.provisions, state, findings=workshop.findings)
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
    from builder.foreign import foreign_step, refusal, runs_here  # here, as other builds needn't load the sandboxes

    can_run = cache(partial(runs_here, sandbox=workshop.sandbox, directory=workshop.directory))
    for each in wanted:
        if foreign_step(each.plan, can_run) is None:
            continue
        looking = looked_up(each, options, ready, workshop.provisions, state, findings=workshop.findings)
        with looking as (plan, _):  # what is cached needn't be carried out
            if foreign := foreign_step(plan, can_run):
                raise refusal(*foreign)


def _exports(options: BuildOptions, made: Sequence[Made], ready: Prepared, workshop: Workshop) -> CacheExports | None:
    lookups = [each.lookup for each in made if each.lookup]
    if workshop.findings is None:
        return None
    from builder.cache_exports import CacheExports

    return CacheExports(targets=cache_targets(options), lookups=lookups, remote=ready.remote, findings=workshop.findings)


def show_plan(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> str:
    """What `build` would do, as text. Raises BuilderError."""
    with prepared(options, registry, common, env) as ready:
        plans = ready.checked_plans(options)
        heads = [f"platform {platform}\n" if len(plans) > 1 else "" for platform in plans]
        return "\n".join(head + render(plan) for head, plan in zip(heads, plans.values(), strict=True))


def _summarize(product: Product, seconds: float) -> None:
    log.info("built %s", product.named.descriptor.digest)
    log.info("%d layers, %.1f MB compressed, %.1f s", len(product.layers), product.size / 1e6, seconds)
