"""The whole story of a build on one screen: context, Dockerfile, plan, image, outputs."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from builder import __version__
from builder.bases import Bases
from builder.context.git import Git
from builder.contexts import Contexts
from builder.dockerfile.parse import Dockerfile
from builder.errors import UsageError
from builder.executor import ImageOf, Workshop, execute
from builder.image.image import Image
from builder.image.platform import Platform
from builder.inputs import Inputs, open_inputs
from builder.log import RunOutput
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.outputs import Outputs, deliver
from builder.plan import NamedContexts, Plan, lower, render
from builder.remotes import connect
from builder.sandbox import choose
from builder.state import State
from builder.store.layout import LayoutStore

if TYPE_CHECKING:
    from builder.context.http import Web

log = logging.getLogger(__name__)

_TRUE = ("1", "t", "T", "TRUE", "true", "True")  # strconv.ParseBool of Go
_MOST_EPOCH_DIGITS = 11  # datetime ends with the year 9999


def build(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> Image:
    """Build the image and deliver it to every output. Raises BuilderError."""
    started = time.monotonic()
    outputs = Outputs.of(options)
    state, remote = State.at(common.state_dir, env), connect(registry, env)
    local = LayoutStore(state.store)
    image_of = cache(Bases(local=local, remote=remote).find)
    build_args, named = _build_args(options, env), NamedContexts.parse(options.build_context)
    epoch = _epoch(build_args)
    with state.working_directory() as directory, ThreadPoolExecutor(1, thread_name_prefix="discard") as discarding:
        contexts = _contexts(directory, named, env)
        inputs = _inputs(options, contexts, build_args)
        plan = _plan(inputs.dockerfile, options, build_args, image_of, named)
        output = RunOutput(sys.stderr.buffer, common)
        workshop = Workshop(
            directory=directory,
            store=local,
            context=inputs.context,
            contexts=contexts,
            sandbox=cache(partial(choose, common.sandbox)),
            image_of=image_of,
            now=_now if epoch is None else lambda: _timestamp(epoch),
            newest=epoch,
            output=output.write,
            tail=output.take_tail,
            discard=lambda rootfs: discarding.submit(rootfs.remove),
        )
        image = execute(plan, workshop)
        deliver(image, outputs, local=local, remote=remote)
    _summarize(image, time.monotonic() - started)
    return image


def show_plan(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str]) -> str:
    """What `build` would do, as text. Raises BuilderError."""
    state, named = State.at(common.state_dir, env), NamedContexts.parse(options.build_context)
    bases = Bases(local=LayoutStore(state.store), remote=connect(registry, env))
    build_args = _build_args(options, env)
    with state.working_directory() as directory:
        inputs = _inputs(options, _contexts(directory, named, env), build_args)
        return render(_plan(inputs.dockerfile, options, build_args, bases.find, named))


def _contexts(directory: Path, named: NamedContexts, env: Mapping[str, str]) -> Contexts:
    @cache
    def web() -> Web:
        from builder.context.http import Web

        return Web(env, user_agent=f"masu/{__version__}")

    contexts = Contexts(directory=directory / "contexts", web=web, git=Git(env), named=named.values)
    contexts.check_named()
    return contexts


def _inputs(options: BuildOptions, contexts: Contexts, build_args: Mapping[str, str]) -> Inputs:
    keep = build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "") in _TRUE
    return open_inputs(options, contexts, keep_git_dir=keep, stdin=sys.stdin.buffer)


def _plan(
    dockerfile: Dockerfile, options: BuildOptions, build_args: Mapping[str, str], image_of: ImageOf, named: NamedContexts
) -> Plan:
    platform = Platform.parse(options.custom_platform) if options.custom_platform else Platform.host()
    return lower(
        dockerfile,
        target=options.target,
        build_args=build_args,
        labels=dict(_label(text) for text in options.label),
        platform=platform,
        base_config=lambda reference, wanted: image_of(reference, wanted).config,
        named=named,
    )


def _build_args(options: BuildOptions, env: Mapping[str, str]) -> dict[str, str]:
    """Those of the command line; SOURCE_DATE_EPOCH is taken from the environment too, as docker's client does."""
    from_env = {"SOURCE_DATE_EPOCH": env["SOURCE_DATE_EPOCH"]} if env.get("SOURCE_DATE_EPOCH") else {}
    return from_env | dict(_build_arg(text, env) for text in options.build_arg)


def _build_arg(text: str, env: Mapping[str, str]) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key:
        raise UsageError(f"invalid --build-arg {text!r}", hint="write KEY=VALUE, or KEY to take the value from the environment")
    return key, value if equals else env.get(key, "")


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise UsageError(f"invalid --label {text!r}", hint="write KEY=VALUE")
    return key, value


def _epoch(build_args: Mapping[str, str]) -> int | None:
    """SOURCE_DATE_EPOCH (reproducible-builds.org/specs/source-date-epoch): every time that the image records is this one."""
    text = build_args.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_EPOCH_DIGITS):
        raise UsageError(f"invalid SOURCE_DATE_EPOCH {text!r}", hint="give seconds since 1970, as date +%s prints them")
    return int(text)


def _timestamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _summarize(image: Image, seconds: float) -> None:
    size = sum(layer.blob.descriptor.size for layer in image.layers)
    log.info("built %s", image.manifest.descriptor.digest)
    log.info("%d layers, %.1f MB compressed, %.1f s", len(image.layers), size / 1e6, seconds)
