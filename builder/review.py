"""What is told about a Dockerfile without building it: `masu build --check`, `masu outline`, `masu targets`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from builder.checks import linter_of, verdict, warned
from builder.dockerfile.lint import RULES
from builder.dockerfile.lint.formats import check_json, check_text
from builder.dockerfile.outline import Outliner, outline_json, outline_text
from builder.dockerfile.targets import targets_json, targets_text
from builder.errors import BuilderError, NotFoundError, RegistryError
from builder.image.config import Config
from builder.image.platform import Platform
from builder.journal import Warned
from builder.options import BuildOptions, CommonOptions, RegistryFlags
from builder.plan import BaseConfig
from builder.prepared import Prepared, prepared
from builder.settings import platforms_of
from builder.values import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is printed; `error` is what went wrong beside it, and `clean` says that there is nothing to complain about.

    `warnings` are of the file `dockerfile`, if it is one of this machine.
    """

    text: str
    warnings: tuple[Warned, ...] = ()
    dockerfile: str = ""
    clean: bool = True
    error: BuilderError | None = None


Review = Callable[[BuildOptions, RegistryFlags, CommonOptions, Mapping[str, str], str], Answer]
"""(options, …, environment, `text` or `json`) → what is told."""


def check(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str], form: str) -> Answer:
    """Run the checks over all stages, or those that `--target` needs. Raises BuilderError where there is no Dockerfile."""
    with _failing_as_json(form) as failure, prepared(options, registry, common, env) as build:
        source = build.inputs.dockerfile
        linter = linter_of(source, build.inputs.context, build.build_args)
        error = None
        try:
            base_config = _lenient(build, lambda reference: linter.unknown.add(reference))
            for platform in platforms_of(options):
                build.plan(options, platform, watch=linter, base_config=base_config, every_stage=not options.target)
            verdict(linter)
        except BuilderError as caught:
            error = caught
        found = linter.findings
        if form == "json":
            text = check_json(found, file=source.file, data=source.data, error=error)
        else:
            text = check_text(found, data=source.data)
        warnings = tuple(warned(finding) for finding in found)
        return Answer(text=text, clean=not found, error=error, warnings=warnings, dockerfile=str(build.inputs.path or ""))
    return failure[0]


def outline(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str], form: str) -> Answer:
    """The arguments, secrets and sockets of the target, for the first of several platforms. Raises BuilderError."""
    with prepared(options, registry, common, env) as build:
        outliner = Outliner(dockerfile=build.inputs.dockerfile)
        build.plan(options, platforms_of(options)[0], watch=outliner, base_config=_lenient(build, lambda reference: None))
        write = outline_json if form == "json" else outline_text
        return Answer(text=write(outliner.outline()))


def targets(options: BuildOptions, registry: RegistryFlags, common: CommonOptions, env: Mapping[str, str], form: str) -> Answer:
    """The stages of the Dockerfile. Raises BuilderError."""
    with prepared(options, registry, common, env) as build:
        write = targets_json if form == "json" else targets_text
        return Answer(text=write(build.inputs.dockerfile))


REVIEWS: Mapping[str, Review] = {"check": check, "outline": outline, "targets": targets}


@contextmanager
def _failing_as_json(form: str) -> Iterator[list[Answer]]:
    """A Dockerfile that can't be read is told in the form that was asked for."""
    failure: list[Answer] = []
    try:
        yield failure
    except BuilderError as error:
        if form != "json":
            raise
        failure.append(Answer(text=check_json((), file="", data=b"", error=error), clean=False, error=error))


def _lenient(build: Prepared, missing: Callable[[str], object]) -> BaseConfig:
    """Configs of base images; one whose registry doesn't give it now is taken for empty, after a word about it."""

    def config(reference: str, platform: Platform) -> Config:
        try:
            return build.image_of(reference, platform).config
        except RegistryError as error:
            if isinstance(error, NotFoundError):
                raise
            missing(reference)
            names = ", ".join(rule.name for rule in RULES if "base image" in rule.needs)
            log.warning("the base image %r can't be had (%s): %s are left out for it", reference, error.message, names)
            return Config(platform=platform)

    return config
