"""`masu build`, and what tells about a Dockerfile without building it: `outline` and `targets`."""

from __future__ import annotations

from builder import kaniko
from builder.commands.command import Call
from builder.commands.prepare import prepare
from builder.errors import UsageError
from builder.journal import Journal
from builder.options import BuildOptions, CommonOptions, KanikoOptions, RegistryFlags, ReviewOptions, WarmerOptions
from builder.values import replace


def build(call: Call) -> int:
    from builder.output_flags import settled
    from builder.reports import failure_told

    options, journal = call.options(BuildOptions), Journal()
    with failure_told(options.metadata_file, journal):
        options = settled(_default_gives_way(call, replace(options, context=_context(call, options.context))))
        method, form = _method(options)
        return _build(options, call, journal) if method == "build" else _review(method, form, options, call, journal)


def _build(options: BuildOptions, call: Call, journal: Journal) -> int:
    from builder.build import build, show_plan

    registry, needless = call.options(RegistryFlags), call.options(KanikoOptions)
    kaniko.tell(needless, call.env)
    common, env = kaniko.moved(needless, call.options(CommonOptions), call.env)
    prepare(env, takes_turns=True)
    if options.dry_run:
        _print(show_plan(options, registry, common, env), call)
        return 0
    build(options, registry, common, env, journal=journal, decoration=call.decoration)
    return 0


def explain(call: Call) -> int:
    from builder.explain import explain
    from builder.output_flags import settled

    options = call.options(BuildOptions)
    options = settled(_default_gives_way(call, replace(options, context=_context(call, options.context))))
    common, env = kaniko.moved(call.options(KanikoOptions), call.options(CommonOptions), call.env)
    prepare(env, takes_turns=True)
    _print(explain(options, call.options(RegistryFlags), common, env), call)
    return 0


def warmer(call: Call) -> int:
    from builder.warmer import warm

    warm(call.options(WarmerOptions), call.options(RegistryFlags), call.env)
    return 0


def outline(call: Call) -> int:
    return _told("outline", call)


def targets(call: Call) -> int:
    return _told("targets", call)


def _print(text: str, call: Call) -> None:
    """It quotes the Dockerfile, of which a platform that reads standard output is to obey nothing."""
    print(call.decoration.harmless(text), end="")  # noqa: T201 - what was asked for


def _context(call: Call, option: str) -> str:
    """What the argument says, else the `option`, whose default may be a variable's."""
    path = call.word("path")
    if path and call.parsed.context:
        raise UsageError("the context is given twice, as an argument and with --context")
    return path or option


def _default_gives_way(call: Call, options: BuildOptions) -> BuildOptions:
    """Kaniko's oldest command lines have --bucket and no --context: what the environment has as default is not meant there."""
    given = call.word("path") or call.parsed.context
    return replace(options, context="") if options.bucket and not given else options


def _method(options: BuildOptions) -> tuple[str, str]:
    """What is to be done, and the form of the answer; `--call` is docker's flag, as `check` and `check,format=json`."""
    method, _, form = options.call.partition(",")
    form = form.removeprefix("format=") or options.check_format
    if method == "build" and options.check:
        method = "check"
    if method not in ("build", "check", "outline", "targets") or form not in ("text", "json"):
        raise UsageError(
            f"invalid --call {options.call!r}", hint="write build, check, outline or targets, and ,format=json after it"
        )
    return method, form


def _review(method: str, form: str, options: BuildOptions, call: Call, journal: Journal) -> int:
    from builder.reports import write_facts
    from builder.review import REVIEWS

    answer = REVIEWS[method](options, call.options(RegistryFlags), call.options(CommonOptions), call.env, form)
    _print(answer.text, call)
    for warning in answer.warnings:
        journal.add(warning)
    journal.dockerfile = answer.dockerfile
    if answer.error:
        raise answer.error
    write_facts(options.metadata_file, journal.facts())
    return 0 if answer.clean else 1


def _told(method: str, call: Call) -> int:
    given = call.options(ReviewOptions)
    options = BuildOptions(
        dockerfile=given.dockerfile,
        context=_context(call, given.context),
        build_arg=given.build_arg,
        build_context=given.build_context,
        target=given.target,
        custom_platform=given.custom_platform,
    )
    return _review(method, given.format, options, call, Journal())
