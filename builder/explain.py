"""`masu explain`: which steps of a build would be carried out, and why, without carrying out any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.prepared import Wanted, findings_of, looked_up, prepared
from builder.provisions.from_options import provisions_of
from builder.reasons import Verdict
from builder.settings import read_build_args, settings_of
from builder.state import State
from builder.values import replace


def explain(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> str:
    """What the cache has for each step, as text. Without any flag for the cache it is as with --cache. Raises BuilderError."""
    asked = options.cache or options.cache_from
    options = replace(options, cache=bool(options.cache or not asked), no_push=False, no_push_cache=True)
    state = State.at(common.state_dir, env)
    settings, lines = settings_of(options, read_build_args(options.build_arg, env)), list[str]()
    with (
        prepared(options, registry, common, env) as ready,
        provisions_of(
            options, env, build_args=ready.build_args, secrets=ready.secrets, cache_mounts=state.cache_mounts
        ) as provisions,
    ):
        for platform, plan in ready.checked_plans(options).items():
            wanted = Wanted(platform=platform, settings=settings[platform].at(ready.epoch), plan=plan)
            with looked_up(wanted, options, ready, provisions, state, findings=findings_of(options)) as (_, lookup):
                assert lookup is not None
                lines += [f"platform {platform}"] if len(settings) > 1 else []
                lines += _lines(lookup.verdicts())
    return "".join(line + "\n" for line in lines)


def _lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    counts = {"cached": 0, "to be carried out": 0, "to be seen": 0}
    for _, found in groupby(verdicts, key=lambda verdict: verdict.stage.index):
        of_stage = list(found)
        stage = of_stage[0].stage
        yield f"stage {stage.index}{f' ({stage.name})' if stage.name else ''}"
        for verdict in of_stage:
            yield f"  step {verdict.number}: {verdict.text}"
            yield f"    {_told(verdict)}"
            counts["cached"] += verdict.is_cached
            counts["to be carried out"] += verdict.is_needed and verdict.is_known and not verdict.is_cached
            counts["to be seen"] += verdict.is_needed and not verdict.is_known
    yield ", ".join(f"{count} {what}" for what, count in counts.items())


def _told(verdict: Verdict) -> str:
    if verdict.is_cached:
        return "cached"
    if not verdict.is_needed:
        return "not needed: all that reads it is cached"
    return f"{'carried out' if verdict.is_known else 'only the build can tell'}: {'; '.join(verdict.reasons)}"
